//! Data sets as they were given, widened to the scalar type tile by tile.

use crate::Scalar;

/// Features in the type they came in.
#[derive(Clone, Debug)]
pub enum FeatureData {
    /// Bytes, such as pixels.
    U8(Vec<u8>),
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
}

impl FeatureData {
    /// Number of entries.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(x) => x.len(),
            Self::F32(x) => x.len(),
            Self::F64(x) => x.len(),
        }
    }
    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A `rows × cols` matrix of samples, row-major; its values are the stored entries times `scale`.
#[derive(Clone, Debug)]
pub struct Features {
    data: FeatureData,
    rows: usize,
    cols: usize,
    scale: f64,
}

/// Which rows of a data set a batch consists of.
#[derive(Clone, Copy, Debug)]
pub enum RowSet<'a> {
    /// Rows `start..end`.
    Range {
        /// First row.
        start: usize,
        /// One past the last row.
        end: usize,
    },
    /// The listed rows, in that order; repetitions count.
    Indices(&'a [u32]),
}

impl RowSet<'_> {
    /// All of `n` rows.
    pub fn all(n: usize) -> Self {
        Self::Range { start: 0, end: n }
    }
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Range { start, end } => end - start,
            Self::Indices(rows) => rows.len(),
        }
    }
    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The `i`-th row's index in the data set.
    pub fn get(&self, i: usize) -> usize {
        match self {
            Self::Range { start, end } => {
                assert!(i < end - start);
                start + i
            }
            Self::Indices(rows) => rows[i] as usize,
        }
    }
    /// The rows at `range` of this set.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Self {
        match self {
            Self::Range { start, end } => {
                assert!(range.start <= range.end && range.end <= end - start);
                Self::Range { start: start + range.start, end: start + range.end }
            }
            Self::Indices(rows) => Self::Indices(&rows[range]),
        }
    }
}

impl Features {
    /// Takes the data over; `data` holds `rows · cols` entries.
    pub fn new(data: FeatureData, rows: usize, cols: usize, scale: f64) -> Self {
        assert_eq!(data.len(), rows * cols, "features must fill rows × cols");
        Self { data, rows, cols, scale }
    }
    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Number of features of a sample.
    pub fn cols(&self) -> usize {
        self.cols
    }
    /// Factor between stored entries and values.
    pub fn scale(&self) -> f64 {
        self.scale
    }
    /// The stored entries.
    pub fn data(&self) -> &FeatureData {
        &self.data
    }
    /// Memory that the entries take, in bytes.
    pub fn bytes(&self) -> usize {
        match &self.data {
            FeatureData::U8(x) => x.len(),
            FeatureData::F32(x) => 4 * x.len(),
            FeatureData::F64(x) => 8 * x.len(),
        }
    }
    /// Row and column of the first entry that is infinite or NaN.
    pub fn first_non_finite(&self) -> Option<(usize, usize)> {
        let at = match &self.data {
            FeatureData::U8(_) => None,
            FeatureData::F32(x) => x.iter().position(|x| !x.is_finite()),
            FeatureData::F64(x) => x.iter().position(|x| !x.is_finite()),
        }?;
        Some((at / self.cols, at % self.cols))
    }

    /// Gathers `rows` into `tile`: row r starts at `r · stride`, holds the scaled values, then a 1 if `bias`,
    /// then zeros up to `stride` (see [`crate::skinny::stride`]).
    pub fn widen<T: Scalar>(&self, rows: RowSet<'_>, bias: bool, tile: &mut [T], stride: usize) {
        assert!(stride >= self.cols + usize::from(bias) && tile.len() >= rows.len() * stride);
        for (i, out) in tile.chunks_exact_mut(stride).take(rows.len()).enumerate() {
            let from = rows.get(i) * self.cols;
            let at = from..from + self.cols;
            for (p, out) in out[..self.cols].iter_mut().enumerate() {
                *out = T::of(
                    self.scale
                        * match &self.data {
                            FeatureData::U8(x) => x[at.start + p] as f64,
                            FeatureData::F32(x) => x[at.start + p] as f64,
                            FeatureData::F64(x) => x[at.start + p],
                        },
                );
            }
            out[self.cols..].fill(T::zero());
            if bias {
                out[self.cols] = T::one();
            }
        }
    }
}
