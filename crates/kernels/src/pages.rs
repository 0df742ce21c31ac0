//! How memory is mapped.

/// Size in bytes of a large page on processors that have large pages.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: usize = 2 << 20;

/// Requests large pages for `x` where the system offers them. Otherwise rows that are picked at random wait for the
/// translation of their addresses.
pub(crate) fn enlarge<T>(x: &[T]) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let start = x.as_ptr().addr().next_multiple_of(LARGE);
        let end = x.as_ptr_range().end.addr() / LARGE * LARGE;
        if start < end {
            let at = x.as_ptr().with_addr(start).cast_mut().cast();
            // SAFETY: the range lies within x, whose contents the call moves but does not change; it may refuse.
            unsafe { libc::madvise(at, end - start, libc::MADV_COLLAPSE) };
        }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = x;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_stay() {
        for len in [0, 1, 5 << 20] {
            let x: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            enlarge(&x[len / 7..]);
            assert!(x.iter().enumerate().all(|(i, &x)| x == (i % 251) as u8));
        }
    }
}
