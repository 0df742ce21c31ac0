//! What kernels choose by the caches of the machine, in one place.
//!
//! The sizes are those that the operating system tells, or else CPUID, or else usual ones. In WebAssembly they
//! are always the usual ones, so that results have the same bits on every machine.

/// Sizes in bytes of the data caches of a core; of the third one, that which cores share.
#[derive(Clone, Copy, Debug)]
struct Caches {
    first: usize,
    second: usize,
    third: usize,
}

/// Of processors that do not tell.
const USUAL: Caches = Caches { first: 32 << 10, second: 1 << 20, third: 32 << 20 };

#[cfg(not(target_arch = "wasm32"))]
fn caches() -> Caches {
    let told = &*gemm_common::cache::CACHE_INFO; // read once
    let size = |level: usize, usual: usize| match told[level].cache_bytes {
        bytes if bytes >= 4 << 10 => bytes,
        _ => usual,
    };
    Caches { first: size(0, USUAL.first), second: size(1, USUAL.second), third: size(2, USUAL.third) }
}

#[cfg(target_arch = "wasm32")]
fn caches() -> Caches {
    USUAL
}

/// Rows of a tile that two kernels pass over, one after the other: a fifth of the second cache, a multiple of 16.
pub fn tile_rows(row_bytes: usize) -> usize {
    (caches().second / 5 / row_bytes.max(1) / 16 * 16).clamp(16, 256)
}

/// How many scattered rows are requested ahead of the one that is read: a sixth of the first cache, since they wait for
/// latency, not bandwidth, and must still be there when their turn comes.
pub(crate) fn rows_ahead(row_bytes: usize) -> usize {
    (caches().first / 6 / row_bytes.max(1)).clamp(2, 16)
}

/// Bytes of a column of a symmetric product's strip: 48 rows of f32 or 24 of f64, whole tile sides for every vector length.
#[cfg(not(any(blas, target_arch = "wasm32")))]
pub(crate) const STRIP_BYTES: usize = 192;
/// Bytes of the terms that it sums in registers before it touches the result.
#[cfg(not(any(blas, target_arch = "wasm32")))]
pub(crate) const DEPTH_BYTES: usize = 2048;

/// Rows of a symmetric product that are computed together: their factors fill three eighths of the second cache, in whole
/// strips.
#[cfg(not(any(blas, target_arch = "wasm32")))]
pub(crate) fn symmetric_rows(strip: usize) -> usize {
    let most = caches().second * 3 / 8 / DEPTH_BYTES;
    (most / strip * strip).clamp(strip, 8 * strip)
}

/// Bytes of a row that are requested ahead where four long rows are read side by side, and where eight are: together what
/// memory delivers while a request is under way. The hardware alone fetches too few pages ahead.
pub(crate) const AHEAD_OF_FOUR: usize = 1536;
pub(crate) const AHEAD_OF_EIGHT: usize = 1024;

/// A choice, with what it follows from.
#[derive(Clone, Debug)]
pub struct Choice {
    /// What is chosen.
    pub name: &'static str,
    /// In its unit.
    pub value: usize,
    /// Why it is that.
    pub why: &'static str,
}

/// All choices, for rows of 784 bytes where they depend on rows.
pub fn choices() -> Vec<Choice> {
    let Caches { first, second, third } = caches();
    let row = crate::skinny::stride(785);
    let all = [
        ("firstCache", first, "bytes of a core's data cache, by the system, or CPUID, or usual"),
        ("secondCache", second, "bytes of a core's second cache, likewise"),
        ("thirdCache", third, "bytes of the cache that cores share, likewise"),
        (
            "tileRows",
            tile_rows(4 * row),
            "samples of 784 features in f32 that fill a fifth of the second cache",
        ),
        ("tileRowsDouble", tile_rows(8 * row), "the same in f64"),
        ("rowsAhead", rows_ahead(784), "scattered rows of 784 bytes that fill a sixth of the first cache"),
        #[cfg(not(any(blas, target_arch = "wasm32")))]
        (
            "symmetricRows",
            symmetric_rows(STRIP_BYTES / size_of::<f32>()),
            "rows of a symmetric product in f32 whose factors fill three eighths of the second cache",
        ),
        (
            "aheadOfFour",
            AHEAD_OF_FOUR,
            "bytes ahead in each of four long rows: latency times bandwidth, a constant",
        ),
        ("aheadOfEight", AHEAD_OF_EIGHT, "the same in each of eight"),
    ];
    all.into_iter().map(|(name, value, why)| Choice { name, value, why }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_fit_the_caches_of_this_machine() {
        let Caches { first, second, third } = caches();
        assert!((4 << 10..4 << 20).contains(&first) && first <= second && second <= third.max(second));
        for row in [1, 16, 784, 3200, 6400, 100_000, usize::MAX] {
            let rows = tile_rows(row);
            assert!(rows.is_multiple_of(16) && (16..=256).contains(&rows));
            assert!(rows == 16 || rows.saturating_mul(row) <= second / 5);
            let ahead = rows_ahead(row);
            assert!((2..=16).contains(&ahead) && (ahead == 2 || ahead * row <= first / 6));
        }
        assert!(tile_rows(3200) >= tile_rows(6400));
    }

    #[test]
    fn each_choice_is_told_once() {
        let all = choices();
        for (i, choice) in all.iter().enumerate() {
            assert!(choice.value > 0 && !choice.why.is_empty());
            assert!(all[..i].iter().all(|other| other.name != choice.name));
        }
    }
}
