//! Strided views of matrices.

/// A read-only view of a `rows × cols` matrix.
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

/// A mutable view of a `rows × cols` matrix.
#[derive(Debug)]
pub struct MatMut<'a, T> {
    data: &'a mut [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

/// Length of the shortest slice that holds a strided view.
fn extent(rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> usize {
    if rows == 0 || cols == 0 { 0 } else { (rows - 1) * row_stride + (cols - 1) * col_stride + 1 }
}

impl<'a, T: Copy> MatRef<'a, T> {
    /// Row-major view of `rows · cols` contiguous entries.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols, 1)
    }

    /// View with explicit strides, in entries.
    pub fn strided(data: &'a [T], rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Self {
        assert!(
            extent(rows, cols, row_stride, col_stride) <= data.len(),
            "a {rows} × {cols} view must fit its data"
        );
        Self { data, rows, cols, row_stride, col_stride }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }
    /// Distance between rows, in entries.
    pub fn row_stride(&self) -> usize {
        self.row_stride
    }
    /// Distance between columns, in entries.
    pub fn col_stride(&self) -> usize {
        self.col_stride
    }
    /// The slice that starts at the view's first entry.
    pub fn data(&self) -> &'a [T] {
        self.data
    }
    /// Entry (i, j).
    pub fn at(&self, i: usize, j: usize) -> T {
        self.data[i * self.row_stride + j * self.col_stride]
    }
    /// Row i. The rows of the view must be contiguous.
    pub fn row(&self, i: usize) -> &'a [T] {
        assert!(self.col_stride == 1 && i < self.rows);
        &self.data[i * self.row_stride..i * self.row_stride + self.cols]
    }
    /// The transpose.
    pub fn t(self) -> Self {
        Self {
            data: self.data,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }
    /// The `rows × cols` block whose first entry is (i, j).
    pub fn block(self, i: usize, j: usize, rows: usize, cols: usize) -> Self {
        assert!(i + rows <= self.rows && j + cols <= self.cols);
        let start = (i * self.row_stride + j * self.col_stride).min(self.data.len());
        Self::strided(&self.data[start..], rows, cols, self.row_stride, self.col_stride)
    }
}

impl<'a, T: Copy> MatMut<'a, T> {
    /// Row-major view of `rows · cols` contiguous entries.
    pub fn new(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols, 1)
    }

    /// View with explicit strides, in entries.
    pub fn strided(
        data: &'a mut [T],
        rows: usize,
        cols: usize,
        row_stride: usize,
        col_stride: usize,
    ) -> Self {
        assert!(
            extent(rows, cols, row_stride, col_stride) <= data.len(),
            "a {rows} × {cols} view must fit its data"
        );
        Self { data, rows, cols, row_stride, col_stride }
    }

    /// The same view, read-only.
    pub fn rb(&self) -> MatRef<'_, T> {
        MatRef::strided(self.data, self.rows, self.cols, self.row_stride, self.col_stride)
    }
    /// The same view, borrowed for a shorter time.
    pub fn rb_mut(&mut self) -> MatMut<'_, T> {
        MatMut::strided(self.data, self.rows, self.cols, self.row_stride, self.col_stride)
    }
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }
    /// Distance between rows, in entries.
    pub fn row_stride(&self) -> usize {
        self.row_stride
    }
    /// Distance between columns, in entries.
    pub fn col_stride(&self) -> usize {
        self.col_stride
    }
    /// The slice that starts at the view's first entry.
    pub fn data(&mut self) -> &mut [T] {
        self.data
    }
    /// Entry (i, j).
    pub fn at(&mut self, i: usize, j: usize) -> &mut T {
        &mut self.data[i * self.row_stride + j * self.col_stride]
    }
    /// The transpose.
    pub fn t(self) -> Self {
        Self {
            data: self.data,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }
    /// The `rows × cols` block whose first entry is (i, j).
    pub fn block(self, i: usize, j: usize, rows: usize, cols: usize) -> Self {
        assert!(i + rows <= self.rows && j + cols <= self.cols);
        let start = (i * self.row_stride + j * self.col_stride).min(self.data.len());
        Self::strided(&mut self.data[start..], rows, cols, self.row_stride, self.col_stride)
    }
    /// The first i rows and the rest. The rows of the view must follow one another in memory.
    pub fn split_rows(self, i: usize) -> (Self, Self) {
        assert!(i <= self.rows && extent(1, self.cols, 0, self.col_stride) <= self.row_stride.max(1));
        let (top, bottom) = self.data.split_at_mut((i * self.row_stride).min(self.data.len()));
        (
            Self::strided(top, i, self.cols, self.row_stride, self.col_stride),
            Self::strided(bottom, self.rows - i, self.cols, self.row_stride, self.col_stride),
        )
    }
}
