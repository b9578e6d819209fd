//! Keeps what is wanted for others through restarts, in a file beside the
//! store: one record of blob and distance after the other.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use samara_core::BlobId;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::driver::Command;
use crate::replace::{Outlasts, replace};
use crate::written::Written;

/// A want and how many hops away whoever wants the blob is.
pub type Want = (BlobId, u8);

const RECORD_LEN: usize = BlobId::LEN + 1;

/// Between two looks at what is wanted: a crash forgets no more, and whoever
/// still wants something says so again.
const EVERY: Duration = Duration::from_secs(5);

/// The wants beside a store.
#[derive(Clone, Debug)]
pub struct Wants(PathBuf);

impl Wants {
    /// The wants in a store's folder; there is no file until one is written.
    pub fn beside(store_dir: &Path) -> Self {
        Self(store_dir.join("wants"))
    }

    /// What was wanted for others when a node last ran.
    pub fn read(&self) -> io::Result<Vec<Want>> {
        let bytes = match fs::read(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let records = bytes.as_chunks::<RECORD_LEN>().0.iter();
        let wants = records.filter_map(|record| {
            let (distance, id) = record.split_last()?;
            Some((BlobId::from_bytes(id.try_into().ok()?), *distance))
        });
        Ok(wants.collect())
    }

    /// Replaces the file as a whole.
    fn write(&self, wants: &[Want]) -> io::Result<()> {
        let records = wants.iter().flat_map(|(blob, distance)| {
            let bytes = blob.as_bytes().iter();
            bytes.chain(std::iter::once(distance)).copied()
        });
        replace(&self.0, &records.collect::<Vec<_>>(), Outlasts::PowerCut)
    }
}

/// Writes down what the machine wants for others whenever that has changed.
pub(crate) async fn keep(
    wants: Wants,
    known: Vec<Want>,
    machine: mpsc::UnboundedSender<Command>,
    stop: CancellationToken,
) {
    let mut written = Written::new("wants of others are", Some(known));
    while stop
        .run_until_cancelled(tokio::time::sleep(EVERY))
        .await
        .is_some()
    {
        let (reply, answer) = oneshot::channel();
        let asked = machine.send(Command::Favours { reply });
        let (Ok(()), Ok(now)) = (asked, answer.await) else {
            return;
        };
        let to = wants.clone();
        written.update(now, move |now| to.write(now)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(number: u8) -> Want {
        (BlobId::from_bytes([number; 32]), number)
    }

    #[test]
    fn wants_are_read_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let wants = Wants::beside(dir.path());
        assert_eq!(wants.read().unwrap(), []);
        wants.write(&[want(1), want(2)]).unwrap();
        wants.write(&[want(3)]).unwrap();
        assert_eq!(wants.read().unwrap(), [want(3)]);
    }

    #[test]
    fn a_record_cut_short_is_no_want() {
        let dir = tempfile::tempdir().unwrap();
        let wants = Wants::beside(dir.path());
        wants.write(&[want(1), want(2)]).unwrap();
        let file = fs::OpenOptions::new().write(true).open(&wants.0).unwrap();
        file.set_len(RECORD_LEN as u64 + 7).unwrap();
        assert_eq!(wants.read().unwrap(), [want(1)]);
    }
}
