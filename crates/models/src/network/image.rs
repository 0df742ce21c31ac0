//! Images, and which of their entries convolutions and pooling see. An image is channels × height × width, row-major.

use nhgd_kernels::{Scalar, vector};
use nhgd_settings::{fields, words};

/// The sides of an image, each at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename = "ImageSettings"))]
pub struct Image {
    /// Numbers per pixel.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

fields!(Image { channels, height, width });

/// A convolution with what follows it: an activation, then pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename = "ConvolutionSettings"))]
pub struct Convolution {
    /// Channels of its outputs, at least 1.
    pub channels: usize,
    /// Side of its square windows, at least 1.
    pub kernel: usize,
    /// Pixels from one window to the next, at least 1.
    pub stride: usize,
    /// Pixels of zeros on each side of the image.
    pub padding: usize,
    /// Side of the squares of pooling, which do not overlap; 1 for no pooling.
    pub pool: usize,
}

fields!(Convolution { channels, kernel, stride, padding, pool });

/// What pooling makes of a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename = "PoolingKind", rename_all = "camelCase"))]
pub enum Pooling {
    /// Its largest entry, the first one of several.
    Max,
    /// The mean of its entries.
    Average,
}

words!(Pooling { "max" Max, "average" Average });

impl Image {
    /// Number of entries; nothing where they are more than addresses.
    pub fn entries(&self) -> Option<usize> {
        self.channels.checked_mul(self.height)?.checked_mul(self.width)
    }

    pub(super) fn len(&self) -> usize {
        self.channels * self.height * self.width
    }
}

impl Convolution {
    /// The image of its sums, and the pooled one; nothing where a window does not fit into its image.
    pub fn images(&self, from: Image) -> Option<[Image; 2]> {
        let windows = |side: usize| {
            let room = self.padding.checked_mul(2)?.checked_add(side)?.checked_sub(self.kernel)?;
            Some(room.checked_div(self.stride)? + 1)
        };
        let sums =
            Image { channels: self.channels, height: windows(from.height)?, width: windows(from.width)? };
        let (height, width) = (sums.height.checked_div(self.pool)?, sums.width.checked_div(self.pool)?);
        let fits = self.kernel > 0 && height > 0 && width > 0 && self.channels > 0;
        fits.then_some([sums, Image { height, width, ..sums }])
    }

    /// Entries of all windows of a sample and of its sums, with the bias; nothing where they are more than addresses or
    /// windows do not fit.
    pub fn entries(&self, from: Image) -> Option<usize> {
        let [sums, _] = self.images(from)?;
        let window = self.kernel.checked_mul(self.kernel)?.checked_mul(from.channels)?;
        let grid = sums.height.checked_mul(from.width + 2 * self.padding)?;
        grid.checked_mul(window.checked_add(1)?.checked_add(self.channels)?)
    }
}

/// Runs of entries in two rows: by their first places, their length, and the distances of their entries in each.
#[derive(Debug)]
pub(super) struct Runs {
    pub places: Vec<[usize; 2]>,
    pub length: usize,
    strides: [usize; 2],
}

impl Runs {
    /// Adds the runs of one row to another, or copies them; `from` says which of the two rows of a run gives.
    #[inline(never)]
    pub fn carry<T: Scalar>(&self, add: bool, from: usize, given: &[T], to: &mut [T]) {
        let strides = [self.strides[from], self.strides[1 - from]];
        for places in &self.places {
            let (given, to) = (&given[places[from]..], &mut to[places[1 - from]..]);
            match (add, strides) {
                (false, [1, 1]) => to[..self.length].copy_from_slice(&given[..self.length]),
                (true, [1, 1]) => vector::axpy(T::one(), &given[..self.length], &mut to[..self.length]),
                _ => {
                    let to = to.iter_mut().step_by(strides[1]).take(self.length);
                    for (to, &x) in to.zip(given.iter().step_by(strides[0])) {
                        *to = if add { *to + x } else { x };
                    }
                }
            }
        }
    }
}

/// The windows of a convolution. They lie on a grid as wide as the padded image, so that what the windows hold at one of
/// their pixels is one run of the image's entries, a stride apart. Of each line of the grid the first positions are those
/// of the sums.
#[derive(Debug)]
pub(super) struct Windows {
    /// Pixels of the windows in the padded image, and in patch × grid.
    pixels: Runs,
    /// Lines of the image, and of the padded one.
    lines: Runs,
    /// Entries of the padded image; 0 where nothing pads it.
    pub frame: usize,
    /// Positions on the grid, up to the last one of the sums.
    pub grid: usize,
    /// Lines of sums, outputs × positions, and of outputs × grid.
    pub sums: Runs,
}

impl Windows {
    pub fn new(from: Image, sums: Image, by: Convolution) -> Self {
        let Convolution { kernel, stride, padding, .. } = by;
        let (height, width) = (from.height + 2 * padding, from.width + 2 * padding);
        let grid = (sums.height - 1) * width + sums.width;
        let pixel =
            |j| [(j / (kernel * kernel) * height + j / kernel % kernel) * width + j % kernel, j * grid];
        let line = |k| {
            let (channel, y) = (k / from.height, k % from.height + padding);
            [k * from.width, (channel * height + y) * width + padding]
        };
        let row = |k| [k * sums.width, k / sums.height * grid + k % sums.height * width];
        let runs = |count: usize, place: &dyn Fn(usize) -> [usize; 2], length, stride| Runs {
            places: (0..count).map(place).collect(),
            length,
            strides: [stride, 1],
        };
        Self {
            pixels: runs(from.channels * kernel * kernel, &pixel, grid, stride),
            lines: runs(from.channels * from.height, &line, from.width, 1),
            frame: if padding > 0 { from.channels * height * width } else { 0 },
            grid,
            sums: runs(sums.channels * sums.height, &row, sums.width, 1),
        }
    }

    /// Entries of a window.
    pub fn patch(&self) -> usize {
        self.pixels.places.len()
    }

    /// Writes the windows of an image as patch × grid. A frame holds zeros where the image does not reach.
    pub fn unfold<T: Scalar>(&self, image: &[T], frame: &mut [T], patches: &mut [T]) {
        if frame.is_empty() {
            return self.pixels.carry(false, 0, image, patches);
        }
        self.lines.carry(false, 0, image, frame);
        self.pixels.carry(false, 0, frame, patches);
    }

    /// Adds patch × grid to the image that it comes from: the transpose of [`Windows::unfold`].
    pub fn fold<T: Scalar>(&self, patches: &[T], frame: &mut [T], image: &mut [T]) {
        if frame.is_empty() {
            return self.pixels.carry(true, 1, patches, image);
        }
        frame.fill(T::zero());
        self.pixels.carry(true, 1, patches, frame);
        self.lines.carry(true, 1, frame, image);
    }
}

/// Pooling of an image in squares: the sum of the entries of each, times their share. The largest entry of a square has the
/// share 1, and the others none; or all have the same.
#[derive(Debug)]
pub(super) struct Squares {
    /// Lines of the image by their place in a square, and of the pooled image.
    pub runs: Runs,
    /// Number of squares.
    pub count: usize,
    side: usize,
}

impl Squares {
    pub fn new(Image { channels, height, width }: Image, side: usize) -> Self {
        let (rows, columns) = (height / side, width / side);
        // The lines of a row of squares follow one another.
        let place = |at: usize| {
            let (row, k) = (at / (side * side), at % (side * side));
            let y = row / rows * height + row % rows * side + k / side;
            [y * width + k % side, row * columns]
        };
        let places = (0..channels * rows * side * side).map(place).collect();
        let runs = Runs { places, length: columns, strides: [side, 1] };
        Self { runs, count: channels * rows * columns, side }
    }

    /// Writes the share of each entry.
    #[inline(never)]
    pub fn shares<T: Scalar>(&self, pooling: Pooling, image: &[T], shares: &mut [T]) {
        let each = self.side * self.side;
        if pooling == Pooling::Average {
            return shares.fill(T::of(1.0 / each as f64));
        }
        shares.fill(T::zero());
        for lines in self.runs.places.chunks_exact(each) {
            for x in (0..self.runs.length).map(|column| column * self.side) {
                let mut best = lines[0][0] + x;
                for line in &lines[1..] {
                    // Not `>=`, so that the first of equal entries stays; a NaN counts as larger than all numbers. No
                    // branch, which would often be guessed wrongly.
                    let entry = image[line[0] + x];
                    best = if entry > image[best] || entry.is_nan() { line[0] + x } else { best };
                }
                shares[best] = T::one();
            }
        }
    }
}
