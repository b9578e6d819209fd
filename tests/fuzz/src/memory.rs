//! How much memory a stranger's bytes may take.

/// Runs `decode` on `len` bytes of input and holds its memory, at the most it
/// had at once, against `factor` times the input and a fixed `allowance`.
pub(crate) fn bounded<T>(
    len: usize,
    factor: usize,
    allowance: usize,
    decode: impl FnOnce() -> T,
) -> T {
    let mut decoded = None;
    let used = allocation_counter::measure(|| decoded = Some(decode()));
    let most = (len * factor + allowance) as u64;
    assert!(
        used.bytes_max <= most,
        "{len} bytes took {} bytes of memory where {most} are allowed",
        used.bytes_max
    );
    decoded.expect("a measured function runs")
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn memory_within_the_bound_is_fine() {
        assert_eq!(bounded(100, 2, 0, || vec![0_u8; 200]).len(), 200);
    }

    #[test]
    #[should_panic(expected = "100 bytes took 201 bytes of memory")]
    fn memory_beyond_the_bound_is_noticed() {
        bounded(100, 2, 0, || vec![0_u8; 201]);
    }
}
