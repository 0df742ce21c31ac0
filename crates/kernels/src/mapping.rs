//! Files that are mapped into memory.
//!
//! The system reads a page of a mapped file when it is first looked at, and may drop it again. A file that becomes shorter
//! while it is mapped has no such page any more: whoever looks at it is ended by the system (`SIGBUS`).

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::ops::Deref;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use memmap2::{MmapOptions, MmapRaw};

/// All bytes of a regular file. Whoever writes there through [`Mapping::start`] changes no file.
#[derive(Debug)]
pub struct Mapping(MmapRaw);

impl Mapping {
    /// Maps a file. Fails for what is no regular file, or empty.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if !about.is_file() || about.len() == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file, or empty"));
        }
        // SAFETY: the pages are this process's own. That a file may change or become shorter under them is said above.
        let pages = unsafe { MmapOptions::new().map_copy(&file) }?;
        Ok(Self(pages.into()))
    }

    /// Where the bytes start: on a page.
    pub fn start(&self) -> NonNull<u8> {
        NonNull::new(self.0.as_mut_ptr()).expect("a mapping has an address")
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: an empty file can't be mapped.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Types of which any bytes are a value.
pub trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for f32 {}
impl Plain for f64 {}

/// Numbers that lie in a file as they do in memory.
#[derive(Clone, Debug)]
pub struct Mapped<X> {
    mapping: Arc<Mapping>,
    offset: usize,
    len: usize,
    numbers: PhantomData<X>,
}

impl<X: Plain> Mapped<X> {
    /// `len` numbers from a byte of the file on; nothing where the file is shorter, or that byte is not aligned for them.
    pub fn new(mapping: Arc<Mapping>, offset: usize, len: usize) -> Option<Self> {
        let end = len.checked_mul(size_of::<X>())?.checked_add(offset)?;
        let fits = end <= mapping.len() && offset.is_multiple_of(align_of::<X>());
        fits.then_some(Self { mapping, offset, len, numbers: PhantomData })
    }
}

impl<X> Deref for Mapped<X> {
    type Target = [X];
    fn deref(&self) -> &[X] {
        // SAFETY: `new` has seen that the range lies within the mapping, which starts on a page, and is aligned; any bytes
        // are a value. Nobody writes while the library reads: views of the mapping are JavaScript's, which waits.
        unsafe { std::slice::from_raw_parts(self.mapping.start().add(self.offset).cast().as_ptr(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(name: &str, content: &[u8]) -> io::Result<Mapping> {
        let path = std::env::temp_dir().join(format!("nhgd-mapping-{}-{name}", std::process::id()));
        std::fs::write(&path, content)?;
        let mapping = Mapping::open(&path);
        std::fs::remove_file(&path)?;
        mapping
    }

    #[test]
    fn reads_numbers_where_they_are_aligned() {
        let values = [1.5f64, -2.0, f64::MIN_POSITIVE, 4e300];
        let mut content = vec![7u8; 64];
        content.extend(values.iter().flat_map(|x| x.to_le_bytes()));
        let mapping = Arc::new(mapped("numbers", &content).unwrap());
        assert_eq!(mapping.len(), 96);
        assert_eq!(Mapped::<f64>::new(mapping.clone(), 64, 4).unwrap()[..], values);
        assert_eq!(Mapped::<u8>::new(mapping.clone(), 61, 3).unwrap()[..], [7; 3]);
        assert!(Mapped::<f64>::new(mapping.clone(), 64, 5).is_none(), "beyond the file");
        assert!(Mapped::<f64>::new(mapping.clone(), 60, 4).is_none(), "not aligned");
        assert!(Mapped::<f32>::new(mapping.clone(), 64, usize::MAX / 2).is_none(), "no such length");
        assert!(Mapped::<u8>::new(mapping, 96, 0).unwrap().is_empty());
    }

    #[test]
    fn refuses_what_is_no_file_with_bytes() {
        assert!(mapped("empty", &[]).is_err());
        assert!(Mapping::open(&std::env::temp_dir()).is_err());
        assert!(Mapping::open(Path::new("/nowhere/at/all")).is_err());
    }
}
