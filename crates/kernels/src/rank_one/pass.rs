//! One pass over the stored half.

use std::ops::Range;
use std::sync::Mutex;

use super::apply::{Apply, Pairs};
use super::multiply::Multiply;
use super::panels::{PANEL, PANELS_OF_EIGHT, PANELS_OF_TWO, mirror_diagonal, offset};
use crate::memory::{self, Result};
use crate::simd::dispatch;
use crate::threads::Team;
use crate::{Aligned, Scalar, vector};

/// Chunks that each have a sum of their own, so that the bits of a product do not depend on the threads. Smaller matrices
/// have few: the sum of a helper's chunk has to cross to the caller's core.
fn chunks_of(panels: usize) -> usize {
    match panels {
        ..PANELS_OF_TWO => 1,
        PANELS_OF_TWO..PANELS_OF_EIGHT => 2,
        _ => 8,
    }
}

/// The stored half, and whether a pass applies pending pairs to it.
pub(super) enum Half<'a, T> {
    Read(&'a [T]),
    Write(&'a mut [T], Pairs<'a, T>),
}

/// Applies pending pairs if there are any, then returns B x for each of the `k` padded rows of `x`.
pub(super) fn pass<T: Scalar>(
    panels: usize,
    half: Half<'_, T>,
    x: &[T],
    k: usize,
    team: &Team,
) -> Result<Aligned<T>> {
    let chunks = chunks_of(panels);
    // Chunk c ends where its share of the area does.
    let end = |c: usize| (panels as f64 * (c as f64 / chunks as f64).sqrt()).round() as usize;
    let ranges: Vec<Range<usize>> = (0..chunks).map(|c| end(c)..end(c + 1)).collect();

    // Taken before anything is written: where there is no room, the half stays as it is.
    let mut sums = memory::reserved(chunks)?;
    for _ in 0..chunks {
        sums.push(Mutex::new(Aligned::zeros(k * PANEL * panels)?));
    }
    let sum = |c: usize| sums[c].lock().expect("each sum is taken once");
    match half {
        Half::Read(half) => team.for_chunks(chunks, 1, |c, _| {
            let mut y = sum(c);
            for panel in ranges[c].clone() {
                let rows = &half[offset(panel)..offset(panel + 1)];
                dispatch(Multiply { rows, panel, x, y: &mut y, k });
            }
            Ok(())
        })?,
        Half::Write(half, pairs) => {
            let mut rest = half;
            let mut parts = Vec::new();
            for range in &ranges {
                let (part, after) = rest.split_at_mut(offset(range.end) - offset(range.start));
                parts.push(Mutex::new(part));
                rest = after;
            }
            team.for_chunks(chunks, 1, |c, _| {
                let mut part = parts[c].lock().expect("each part is taken once");
                let mut y = sum(c);
                for panel in ranges[c].clone() {
                    let first = offset(ranges[c].start);
                    let rows = &mut part[offset(panel) - first..offset(panel + 1) - first];
                    dispatch(Apply { rows, panel, n: PANEL * panels, pairs });
                    mirror_diagonal(rows, PANEL * panel);
                    dispatch(Multiply { rows, panel, x, y: &mut y, k });
                }
                Ok(())
            })?
        }
    };
    let mut sums = sums.into_iter().map(|sum| sum.into_inner().expect("no chunk panicked"));
    let mut total = sums.next().expect("there is a chunk");
    for sum in sums {
        vector::axpy(T::one(), &sum, &mut total);
    }
    Ok(total)
}
