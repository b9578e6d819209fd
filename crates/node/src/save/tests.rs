use samara_core::seal::{SealingKey, seal};
use samara_core::{Blob, Chunk, ChunkSize};

use super::*;

/// Three chunks, and the blobs they are in.
fn file() -> (Arc<FileEntry>, Vec<Blob>, Vec<u8>) {
    let len = 2 * ChunkSize::MIN.len() + 100;
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    let sealed = bytes.chunks(ChunkSize::MIN.len()).map(|chunk| {
        let (blob, key) = seal(SealingKey::generate(&mut rng), chunk.to_vec());
        (Chunk { id: blob.id(), key }, blob)
    });
    let (chunks, blobs) = sealed.unzip();
    let entry = FileEntry::new("file", len as u64, "a/b", ChunkSize::MIN, chunks);
    (Arc::new(entry.unwrap()), blobs, bytes)
}

fn save(entry: &Arc<FileEntry>, destination: &Destination) -> SaveFile {
    SaveFile::new(Arc::clone(entry), &entry.link().unwrap(), destination)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn chunks_in_any_order_become_a_file_that_was_never_half_there() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out");
    fs::write(&target, "what was there before").unwrap();
    let (entry, blobs, bytes) = file();
    let save = save(&entry, &Destination::File(target.clone()));
    for index in [2, 0, 1] {
        let blob = &blobs[index as usize];
        assert_eq!(save.position(&blob.id()), Some(index));
        save.write(index, blob.bytes()).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"what was there before");
    }
    assert_eq!(save.finish().unwrap(), target);
    drop(save);
    assert_eq!(fs::read(&target).unwrap(), bytes);
    assert_eq!(names(dir.path()), ["out"]);
}

#[test]
fn what_a_crash_left_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out");
    let (entry, blobs, bytes) = file();
    let name = temporary_name(&entry.link().unwrap());
    fs::write(dir.path().join(name), vec![0xff; bytes.len() + 1000]).unwrap();
    let save = save(&entry, &Destination::File(target.clone()));
    for (blob, index) in blobs.iter().zip(0..) {
        save.write(index, blob.bytes()).unwrap();
    }
    save.finish().unwrap();
    assert_eq!(fs::read(&target).unwrap(), bytes);
    assert_eq!(names(dir.path()), ["out"]);
}

#[test]
fn a_file_given_up_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (entry, blobs, _) = file();
    let save = save(&entry, &Destination::File(dir.path().join("out")));
    save.write(0, blobs[0].bytes()).unwrap();
    assert_eq!(names(dir.path()).len(), 1);
    drop(save);
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_strangers_name_replaces_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "mine").unwrap();
    let (entry, blobs, _) = file();
    let save = save(&entry, &Destination::Folder(dir.path().to_owned()));
    let error = save.write(0, blobs[0].bytes()).unwrap_err();
    assert!(matches!(error, SaveError::Exists { .. }), "{error}");
    drop(save);
    assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"mine");
}

#[test]
fn two_fetches_do_not_write_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let (entry, blobs, _) = file();
    let destination = Destination::File(dir.path().join("out"));
    let first = save(&entry, &destination);
    first.write(0, blobs[0].bytes()).unwrap();
    let second = save(&entry, &destination);
    let error = second.write(0, blobs[0].bytes()).unwrap_err();
    assert!(matches!(error, SaveError::Busy { .. }), "{error}");
    drop(second);
    assert_eq!(
        names(dir.path()).len(),
        1,
        "the first one's file is still there"
    );
}

#[test]
fn a_blob_that_does_not_open_is_no_chunk() {
    let dir = tempfile::tempdir().unwrap();
    let (entry, blobs, _) = file();
    let save = save(&entry, &Destination::File(dir.path().join("out")));
    for (index, blob) in [(0, 1), (7, 0)] {
        let error = save.write(index, blobs[blob].bytes()).unwrap_err();
        assert!(matches!(error, SaveError::Forged { .. }), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_in_the_way_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let victim = dir.path().join("victim");
    fs::write(&victim, "dear").unwrap();
    let (entry, blobs, _) = file();
    let name = temporary_name(&entry.link().unwrap());
    std::os::unix::fs::symlink(&victim, dir.path().join(name)).unwrap();
    let save = save(&entry, &Destination::File(dir.path().join("out")));
    assert!(save.write(0, blobs[0].bytes()).is_err());
    assert_eq!(fs::read(&victim).unwrap(), b"dear");
}
