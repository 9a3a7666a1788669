//! FlatBuffers as far as models need them. Every offset, count and length is checked against the
//! file before anything is read or reserved; alignment does not matter, since bytes are copied.

use crate::ImportError;

type Result<T> = std::result::Result<T, ImportError>;

/// A file's bytes.
#[derive(Clone, Copy)]
pub(super) struct Buffer<'a>(&'a [u8]);

/// A table: fields by number, each of them optional.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    buffer: Buffer<'a>,
    at: usize,
    /// Where its list of fields is, and how many it has.
    fields: (usize, usize),
}

/// A vector of `count` elements from `at` on.
#[derive(Clone, Copy)]
pub(super) struct Vector<'a> {
    buffer: Buffer<'a>,
    at: usize,
    count: usize,
}

impl<'a> Buffer<'a> {
    fn bytes<const N: usize>(self, at: usize) -> Result<[u8; N]> {
        let found = self.slice(at, N)?.first_chunk::<N>();
        found.copied().ok_or_else(|| self.outside(at, N))
    }

    fn slice(self, at: usize, length: usize) -> Result<&'a [u8]> {
        let end = at.checked_add(length);
        let found = end.and_then(|end| self.0.get(at..end));
        found.ok_or_else(|| self.outside(at, length))
    }

    fn outside(self, at: usize, length: usize) -> ImportError {
        let expected = format!("{length} bytes from byte {at} on");
        let got = format!("a file of {} bytes", self.0.len());
        ImportError::malformed("flatbuffer", expected, got)
    }

    fn u16(self, at: usize) -> Result<usize> {
        Ok(usize::from(u16::from_le_bytes(self.bytes(at)?)))
    }

    /// Where the offset at `at` points: forward, from itself.
    fn target(self, at: usize) -> Result<usize> {
        let offset = u32::from_le_bytes(self.bytes(at)?);
        let target = usize::try_from(offset).ok().and_then(|o| at.checked_add(o));
        target.ok_or_else(|| self.outside(at, 4))
    }

    /// The table that the file is.
    pub fn root(bytes: &'a [u8]) -> Result<Table<'a>> {
        let buffer = Buffer(bytes);
        Table::new(buffer, buffer.target(0)?)
    }
}

impl<'a> Table<'a> {
    fn new(buffer: Buffer<'a>, at: usize) -> Result<Self> {
        let back = i64::from(i32::from_le_bytes(buffer.bytes(at)?));
        let list = i64::try_from(at).ok().map(|at| at - back);
        let list = list.and_then(|list| usize::try_from(list).ok());
        let list = list.ok_or_else(|| buffer.outside(at, 4))?;
        let count = (buffer.u16(list)? / 2).saturating_sub(2);
        Ok(Table {
            buffer,
            at,
            fields: (list, count),
        })
    }

    /// Where a field is, if it is there.
    fn field(self, number: usize) -> Result<Option<usize>> {
        let (list, count) = self.fields;
        if number >= count {
            return Ok(None);
        }
        let offset = self.buffer.u16(list + 4 + 2 * number)?;
        Ok((offset != 0).then_some(self.at + offset))
    }

    fn scalar<const N: usize>(self, number: usize) -> Result<Option<[u8; N]>> {
        let at = self.field(number)?;
        at.map(|at| self.buffer.bytes(at)).transpose()
    }

    pub fn i32(self, number: usize, default: i32) -> Result<i32> {
        Ok(self.scalar(number)?.map_or(default, i32::from_le_bytes))
    }

    pub fn u32(self, number: usize) -> Result<u32> {
        Ok(self.scalar(number)?.map_or(0, u32::from_le_bytes))
    }

    pub fn u64(self, number: usize) -> Result<u64> {
        Ok(self.scalar(number)?.map_or(0, u64::from_le_bytes))
    }

    pub fn f32(self, number: usize) -> Result<f32> {
        Ok(self.scalar(number)?.map_or(0.0, f32::from_le_bytes))
    }

    /// A byte without sign: enumerations, unions' types, booleans.
    pub fn byte(self, number: usize) -> Result<u8> {
        Ok(self.scalar(number)?.map_or(0, u8::from_le_bytes))
    }

    pub fn flag(self, number: usize) -> Result<bool> {
        Ok(self.byte(number)? != 0)
    }

    pub fn has(self, number: usize) -> Result<bool> {
        Ok(self.field(number)?.is_some())
    }

    pub fn table(self, number: usize) -> Result<Option<Table<'a>>> {
        let Some(at) = self.field(number)? else {
            return Ok(None);
        };
        Table::new(self.buffer, self.buffer.target(at)?).map(Some)
    }

    /// A vector; one that is absent has no elements.
    pub fn vector(self, number: usize) -> Result<Vector<'a>> {
        let buffer = self.buffer;
        let Some(field) = self.field(number)? else {
            let (at, count) = (self.at, 0);
            return Ok(Vector { buffer, at, count });
        };
        let at = buffer.target(field)?;
        let count = u32::from_le_bytes(buffer.bytes(at)?);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        // An element is a byte at least.
        let at = at + 4;
        buffer.slice(at, count)?;
        Ok(Vector { buffer, at, count })
    }

    /// A string, cut where nobody would read on.
    pub fn text(self, number: usize) -> Result<String> {
        let bytes = self.vector(number)?.bytes()?;
        let shown = bytes.get(..bytes.len().min(256)).unwrap_or_default();
        Ok(String::from_utf8_lossy(shown).into_owned())
    }
}

impl<'a> Vector<'a> {
    pub fn bytes(self) -> Result<&'a [u8]> {
        self.buffer.slice(self.at, self.count)
    }

    /// The elements as 32-bit integers, at most `most` of them.
    pub fn integers(self, what: &str, most: usize) -> Result<Vec<i64>> {
        let words = self.words(what, most)?;
        let one = |word: &[u8]| match *word {
            [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
            _ => 0,
        };
        Ok(words.chunks_exact(4).map(one).collect())
    }

    /// The elements as tables, at most `most` of them.
    pub fn tables(self, what: &str, most: usize) -> Result<Vec<Table<'a>>> {
        self.words(what, most)?;
        let one = |i| Table::new(self.buffer, self.buffer.target(self.at + 4 * i)?);
        (0..self.count).map(one).collect()
    }

    fn words(self, what: &str, most: usize) -> Result<&'a [u8]> {
        if self.count > most {
            let expected = format!("at most {most}");
            return Err(ImportError::malformed(what, expected, self.count));
        }
        self.buffer.slice(self.at, self.count.saturating_mul(4))
    }
}
