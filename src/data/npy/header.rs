//! The header of an `.npy` file: a version and a Python dictionary.

use crate::data::foreign;
use crate::error::cut;

/// The maximum length of a header, NumPy's limit for untrusted files.
const LONGEST: usize = 10_000;

/// A parsed header.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    /// The element type in NumPy's notation, such as `<f4`.
    pub descriptor: &'a str,
    pub is_fortran: bool,
    pub shape: Vec<usize>,
}

/// Splits a file into its header and its data.
pub(crate) fn split(bytes: &[u8]) -> Result<(Header<'_>, &[u8]), String> {
    let (text, data) = split_text(bytes)?;
    let header = Tokens(text).header().ok_or_else(|| {
        format!(
            "the .npy header is no dictionary of descr, fortran_order and shape, but {}",
            cut(text)
        )
    })?;
    Ok((header, data))
}

fn split_text(bytes: &[u8]) -> Result<(&str, &[u8]), String> {
    let Some(rest) = bytes.strip_prefix(b"\x93NUMPY") else { return Err(no_npy(bytes)) };
    let (length, rest) = match rest {
        [1, 0, a, b, rest @ ..] => (u32::from_le_bytes([*a, *b, 0, 0]), rest),
        [2 | 3, 0, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]), rest),
        [major, minor, ..] if !matches!([major, minor], [1..=3, 0]) => {
            return Err(format!(".npy version {major}.{minor}; supported are 1.0, 2.0 and 3.0"));
        }
        _ => return Err("the file is cut short within the .npy header".to_string()),
    };
    if length as usize > LONGEST {
        return Err(format!("the .npy header has {length} bytes, over the limit of {LONGEST}"));
    }
    let Some((text, data)) = rest.split_at_checked(length as usize) else {
        return Err(format!("the .npy header has {length} bytes, the whole file {}", bytes.len()));
    };
    let text = std::str::from_utf8(text).map_err(|_| "the .npy header is not UTF-8".to_string())?;
    Ok((text, data))
}

fn no_npy(bytes: &[u8]) -> String {
    let kind = foreign::recognize(bytes).map(|kind| format!("; it is {}", kind.name));
    format!("not an .npy file: it does not begin with \\x93NUMPY{}", kind.unwrap_or_default())
}

/// The unparsed rest of a header; each method consumes a prefix of it.
struct Tokens<'a>(&'a str);

impl<'a> Tokens<'a> {
    fn header(mut self) -> Option<Header<'a>> {
        let (mut descriptor, mut is_fortran, mut shape) = (None, None, None);
        self.items("{", "}", |tokens| {
            let key = tokens.quoted()?;
            tokens.token(":")?;
            match key {
                "descr" if descriptor.is_none() => descriptor = Some(tokens.quoted()?),
                "fortran_order" if is_fortran.is_none() => is_fortran = Some(tokens.flag()?),
                "shape" if shape.is_none() => shape = Some(tokens.extents()?),
                _ => return None,
            }
            Some(())
        })?;
        let header = Header { descriptor: descriptor?, is_fortran: is_fortran?, shape: shape? };
        self.0.trim().is_empty().then_some(header)
    }

    fn token(&mut self, token: &str) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(token)?;
        Some(())
    }

    /// Parses items between brackets, separated by commas, with an optional trailing comma.
    fn items(
        &mut self,
        open: &str,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.token(open)?;
        while self.token(close).is_none() {
            item(self)?;
            if self.token(",").is_none() {
                return self.token(close);
            }
        }
        Some(())
    }

    fn quoted(&mut self) -> Option<&'a str> {
        let quote =
            if self.token("'").is_some() { '\'' } else { self.token("\"").map(|()| '"')? };
        let (text, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        Some(text)
    }

    fn flag(&mut self) -> Option<bool> {
        if self.token("True").is_some() { Some(true) } else { self.token("False").map(|()| false) }
    }

    fn extents(&mut self) -> Option<Vec<usize>> {
        let mut extents = Vec::new();
        self.items("(", ")", |tokens| {
            extents.push(tokens.number()?);
            Some(())
        })?;
        Some(extents)
    }

    fn number(&mut self) -> Option<usize> {
        let text = self.0.trim_start();
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, rest) = text.split_at_checked(end)?;
        self.0 = rest;
        digits.parse().ok()
    }
}
