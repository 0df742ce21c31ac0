//! Data sets that live in the backend.

use std::sync::Arc;

use nhgd_kernels::FeatureData;
use nhgd_models::Targets;

use crate::{Code, Error, Result};

/// A feature matrix, one sample per row, in the type in which it was given.
#[derive(Clone, Debug)]
pub struct Features(pub(crate) Arc<nhgd_kernels::Features>);

impl Features {
    /// `rows × cols` bytes whose values are `data · scale`.
    pub fn u8(data: Vec<u8>, rows: usize, cols: usize, scale: f64) -> Result<Self> {
        Self::new(FeatureData::U8(data.into()), rows, cols, scale)
    }

    /// `rows × cols` entries whose values are `data · scale`; all of them finite.
    pub fn f32(data: Vec<f32>, rows: usize, cols: usize, scale: f64) -> Result<Self> {
        Self::new(FeatureData::F32(data.into()), rows, cols, scale)
    }

    /// `rows × cols` entries whose values are `data · scale`; all of them finite.
    pub fn f64(data: Vec<f64>, rows: usize, cols: usize, scale: f64) -> Result<Self> {
        Self::new(FeatureData::F64(data.into()), rows, cols, scale)
    }

    /// `rows × cols` numbers of a type (`u8`, `f32` or `f64`) that lie in a mapped file from a byte on. Values
    /// are as above.
    #[cfg(not(target_family = "wasm"))]
    pub fn mapped(
        mapping: &crate::Mapping,
        dtype: &str,
        offset: usize,
        rows: usize,
        cols: usize,
        scale: f64,
    ) -> Result<Self> {
        let len = rows.saturating_mul(cols);
        let data = match dtype {
            "u8" => FeatureData::U8(mapping.entries(offset, len)?),
            "f32" => FeatureData::F32(mapping.entries(offset, len)?),
            "f64" => FeatureData::F64(mapping.entries(offset, len)?),
            other => return Err(Error::expected(Code::Range, "dtype", "u8, f32 or f64", other)),
        };
        Self::new(data, rows, cols, scale)
    }

    fn new(data: FeatureData, rows: usize, cols: usize, scale: f64) -> Result<Self> {
        if rows == 0 || cols == 0 {
            return Err(Error::expected(
                Code::Shape,
                "features",
                "at least one row and column",
                format!("{rows} × {cols}"),
            ));
        }
        if rows.checked_mul(cols) != Some(data.len()) {
            let expected = format!("{rows} × {cols} entries");
            return Err(Error::expected(Code::Shape, "features", expected, data.len()));
        }
        if !scale.is_finite() {
            return Err(Error::expected(Code::NotFinite, "scale", "a finite number", scale));
        }
        let features = nhgd_kernels::Features::new(data, rows, cols, scale);
        match features.first_non_finite() {
            None => Ok(Self(Arc::new(features))),
            Some((row, col)) => {
                let got = format!("NaN or infinity at row {row}, column {col}");
                Err(Error::expected(Code::NotFinite, "features", "finite numbers", got))
            }
        }
    }

    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.0.rows()
    }

    /// Number of features.
    pub fn columns(&self) -> usize {
        self.0.cols()
    }
}

/// Samples: rows of [`Features`], with one class, or one row of continuous targets, per row.
#[derive(Clone, Debug)]
pub struct Samples(pub(crate) nhgd_models::Samples);

impl Samples {
    /// `labels[i]` belongs to row `rows[i]`, or to row i where `rows` is absent.
    pub fn new(features: &Features, rows: Option<Vec<u32>>, labels: Vec<u32>) -> Result<Self> {
        Self::checked("labels", features, rows, Targets::Classes(labels))
    }

    /// The same with `targets` of `columns` finite numbers per row, row-major.
    pub fn with_targets(
        features: &Features,
        rows: Option<Vec<u32>>,
        targets: Vec<f64>,
        columns: usize,
    ) -> Result<Self> {
        if columns == 0 || !targets.len().is_multiple_of(columns) {
            let expected = "at least one column and as many targets in each row";
            let got = format!("{} targets in {columns} columns", targets.len());
            return Err(Error::expected(Code::Shape, "targets", expected, got));
        }
        if let Some(i) = targets.iter().position(|y| !y.is_finite()) {
            let got = format!("{} at index {i}", targets[i]);
            return Err(Error::expected(Code::NotFinite, "targets", "finite numbers", got));
        }
        Self::checked("targets", features, rows, Targets::Values(targets, columns))
    }

    fn checked(
        name: &'static str,
        features: &Features,
        rows: Option<Vec<u32>>,
        targets: Targets,
    ) -> Result<Self> {
        let count = rows.as_ref().map_or(features.rows(), Vec::len);
        crate::error::length(name, count, targets.len())?;
        if targets.is_empty() {
            return Err(Error::expected(Code::Shape, name, "at least one sample", "none"));
        }
        if let Some(row) = rows.iter().flatten().find(|&&row| row as usize >= features.rows()) {
            let expected = format!("indices below {}", features.rows());
            return Err(Error::expected(Code::Range, "rows", expected, row));
        }
        Ok(Self(nhgd_models::Samples::new(features.0.clone(), rows, targets)))
    }

    /// Number of samples.
    pub fn length(&self) -> usize {
        self.0.len()
    }
}
