//! Files whose numbers are used where they lie.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nhgd_kernels::mapping::Plain;
use nhgd_kernels::{Entries, Mapped};

use crate::{Code, Error, Result};

/// A file that is mapped into memory.
#[derive(Debug)]
pub struct Mapping {
    file: Arc<nhgd_kernels::Mapping>,
    viewed: AtomicBool,
}

impl Mapping {
    /// Maps all bytes of a regular file that is not empty (`ERR_DATA`).
    pub fn open(path: &str) -> Result<Self> {
        match nhgd_kernels::Mapping::open(Path::new(path)) {
            Ok(file) => Ok(Self { file: Arc::new(file), viewed: AtomicBool::new(false) }),
            Err(e) => {
                Err(Error::expected(Code::Data, "path", "a file that can be mapped", format!("{path} ({e})")))
            }
        }
    }

    /// The bytes themselves, for one array of the host's: two on the same memory are more than some engines bear.
    pub fn view(&self) -> Result<Arc<nhgd_kernels::Mapping>> {
        match self.viewed.swap(true, Ordering::Relaxed) {
            false => Ok(self.file.clone()),
            true => Err(Error::expected(Code::Range, "view", "one call", "a second one")),
        }
    }

    /// `len` numbers from the byte `offset` on.
    pub(crate) fn entries<X: Plain>(&self, offset: usize, len: usize) -> Result<Entries<X>> {
        Mapped::new(self.file.clone(), offset, len).map(Entries::Mapped).ok_or_else(|| {
            let expected = format!("{len} numbers of {} bytes from an aligned byte on", size_of::<X>());
            let got = format!("byte {offset} of {}", self.file.len());
            Error::expected(Code::Shape, "mapping", expected, got)
        })
    }
}
