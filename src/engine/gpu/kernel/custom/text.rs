//! Checks of user-defined sources that need no compiler, and so also work in a browser.

use std::collections::HashMap;

use super::builtins;
use crate::engine::gpu::kernel::names;
use crate::engine::gpu::kernel::parts::MATH;
use crate::error::{Error, Result};

/// The maximum length of a source, in bytes.
const MOST_BYTES: usize = 16 << 10;
/// The maximum nesting of brackets and branches: compilers recurse into it.
const MOST_NESTING: usize = 48;
/// The maximum number of operators and brackets between two of `;{}`: compilers recurse into these as well.
const MOST_OPERATORS: usize = 256;
/// The maximum length of an array.
const MOST_ELEMENTS: u64 = 256;
/// The maximum number of tokens after inlining every call and unrolling every loop.
const MOST_WORK: u64 = 1 << 14;

/// The keywords of module-scope declarations; the names they declare must not be reserved.
const DECLARES: [&str; 4] = ["fn", "struct", "alias", "const"];
/// Refused words, each with the reason.
const REFUSED: [(&str, &str); 7] = [
    ("loop", COUNTED),
    ("while", COUNTED),
    ("discard", "is for fragment shaders"),
    ("override", DECLARATIONS),
    ("enable", "is only allowed at the beginning of a module"),
    ("requires", "is only allowed at the beginning of a module"),
    ("diagnostic", "is only allowed at the beginning of a module"),
];
const COUNTED: &str = "may not end; a loop is written `for (var i = 0; i < 8; i++)`, with numbers for its bounds, and its \
                       body leaves `i` as it is";
const DECLARATIONS: &str =
    "is refused: the text may declare functions, structs, aliases and constants only";
/// The prefixes of built-in functions that an elementwise function cannot call.
const OUTSIDE: [&str; 9] = [
    "atomic",
    "dpdx",
    "dpdy",
    "fwidth",
    "quad",
    "storageBarrier",
    "subgroup",
    "texture",
    "workgroup",
];

#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    word: &'a str,
    line: usize,
}

/// A line number and the error on that line.
struct Fault(usize, String);

type Checked<T = ()> = std::result::Result<T, Fault>;

/// Returns the sources without comments, with unchanged line numbers, or the first fault in one of them.
pub(super) fn checked<const N: usize>(op: &str, texts: [&str; N]) -> Result<[String; N]> {
    let mut plain = [const { String::new() }; N];
    for (text, plain) in texts.iter().zip(&mut plain) {
        *plain = check(text).map_err(|fault| fault.of(op))?;
    }
    work(&plain.join("\n")).map_err(|fault| fault.of(op))?;
    Ok(plain)
}

impl Fault {
    fn of(self, op: &str) -> Error {
        let message = format!("{op}:{}: {}", self.0, self.1);
        Error::Shader { op: op.to_string(), message }
    }
}

fn refuse<T>(line: usize, message: impl Into<String>) -> Checked<T> {
    Err(Fault(line, message.into()))
}

fn check(text: &str) -> Checked<String> {
    if text.len() > MOST_BYTES {
        let len = text.len();
        return refuse(1, format!("the text is {len} bytes long; the most is {MOST_BYTES}"));
    }
    let plain = without_comments(text)?;
    let tokens = tokens(&plain);
    if let Some(token) = tokens.iter().find(|token| !token.word.is_ascii()) {
        return refuse(token.line, format!("{:?} is not ASCII", token.word));
    }
    nesting(&tokens)?;
    declarations(&tokens)?;
    words(&tokens)?;
    (0..tokens.len()).try_for_each(|at| array(tokens.get(at..).unwrap_or_default()))?;
    (0..tokens.len()).try_for_each(|at| counted(tokens.get(at..).unwrap_or_default()).map(drop))?;
    Ok(plain)
}

/// Replaces every character of a comment by a space, so that all later checks agree on which parts are comments.
fn without_comments(text: &str) -> Checked<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    // The number of open comments: `/* */` nest.
    let mut open = 0;
    while let Some(c) = rest.chars().next() {
        let pair = rest.get(..2).unwrap_or_default();
        let len = match pair {
            "//" if open == 0 => rest.find(ends_line).unwrap_or(rest.len()),
            "/*" | "*/" if pair == "/*" || open > 0 => {
                open = if pair == "/*" { open + 1 } else { open - 1 };
                2
            }
            _ if open > 0 => c.len_utf8(),
            _ => {
                plain.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
                continue;
            }
        };
        let (comment, after) = rest.split_at(len);
        plain.extend(comment.chars().map(|c| if ends_line(c) { '\n' } else { ' ' }));
        rest = after;
    }
    match open {
        0 => Ok(plain),
        _ => refuse(plain.lines().count(), "a comment does not end"),
    }
}

fn ends_line(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Splits a source into names, numbers up to the decimal point, and single other characters.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut line = 1;
    let mut all = Vec::new();
    for word in names::tokens(text) {
        match word {
            "\n" => line += 1,
            _ if word.trim().is_empty() => {}
            _ => all.push(Token { word, line }),
        }
    }
    all
}

/// Fails if brackets are nested too deeply or an expression is too long.
fn nesting(tokens: &[Token<'_>]) -> Checked {
    let (mut depth, mut operators, mut before) = (0_usize, 0, "");
    for Token { word, line } in tokens {
        match *word {
            "(" | "[" | "{" | "else" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let is_point = *word == "." && before.starts_with(|c: char| c.is_ascii_digit());
        match *word {
            ";" | "{" | "}" => operators = 0,
            "," | ":" => {}
            _ if is_point || is_name(word) => {}
            _ => operators += 1,
        }
        before = word;
        if depth > MOST_NESTING {
            return refuse(*line, format!("over {MOST_NESTING} brackets and branches are nested"));
        }
        if operators > MOST_OPERATORS {
            return refuse(*line, format!("an expression has over {MOST_OPERATORS} operators"));
        }
    }
    Ok(())
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

/// Fails on words and built-in functions that an elementwise function must not use.
fn words(tokens: &[Token<'_>]) -> Checked {
    for Token { word, line } in tokens {
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| refused == word) {
            return refuse(*line, format!("`{word}` {why}"));
        }
        let outside = OUTSIDE.iter().any(|start| word.starts_with(start));
        if outside && builtins::is(word) {
            return refuse(*line, format!("`{word}` works across invocations, or on textures"));
        }
    }
    Ok(())
}

/// Fails on module-scope declarations that are not allowed.
fn declarations(tokens: &[Token<'_>]) -> Checked {
    let mut depth = 0_usize;
    let mut starts = true;
    for (at, Token { word, line }) in tokens.iter().enumerate() {
        if depth == 0 && starts && ![";", "const_assert"].contains(word) {
            if !DECLARES.contains(word) {
                return refuse(*line, format!("`{word}` {DECLARATIONS}"));
            }
            tokens.get(at + 1).map_or(Ok(()), |name| free(name))?;
        }
        match *word {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            "@" => return refuse(*line, "attributes are refused"),
            _ => {}
        }
        starts = depth == 0 && matches!(*word, ";" | "}");
    }
    Ok(())
}

/// Fails if a name is reserved: redeclaring it would change the meaning of the library's own sources.
fn free(Token { word, line }: &Token<'_>) -> Checked {
    if builtins::is(word) {
        return refuse(*line, format!("`{word}` is built into WGSL; choose another name"));
    }
    if builtins::is_ours(word) {
        return refuse(*line, format!("`{word}` is a name of the library's; choose another"));
    }
    Ok(())
}

/// Fails if the tokens begin with an array that is too long.
fn array(tokens: &[Token<'_>]) -> Checked {
    let [Token { word: "array", line }, Token { word: "<", .. }, rest @ ..] = tokens else {
        return Ok(());
    };
    let (mut depth, mut number) = (1, 0);
    // The tokens after the last comma of this template list, not of a nested one.
    let mut length: &[Token<'_>] = &[];
    for (at, token) in rest.iter().enumerate() {
        match token.word {
            "<" => depth += 1,
            ">" => depth -= 1,
            "," if depth == 1 => number = at + 1,
            _ => {}
        }
        if depth == 0 {
            length = rest.get(number..at).unwrap_or_default();
            break;
        }
    }
    match length {
        [one] if number > 0 && integer(one.word).is_some_and(|len| len <= MOST_ELEMENTS) => Ok(()),
        _ => {
            refuse(*line, format!("the length of an array is a number of at most {MOST_ELEMENTS}"))
        }
    }
}

fn integer(word: &str) -> Option<u64> {
    word.trim_end_matches(['u', 'i']).parse().ok()
}

/// The number of iterations and of tokens of the loop that the tokens begin with; 1 and 0 if they do not begin with a
/// loop.
fn counted(tokens: &[Token<'_>]) -> Checked<(u64, usize)> {
    let Some(Token { word: "for", line }) = tokens.first() else { return Ok((1, 0)) };
    let turns = header(tokens.get(1..).unwrap_or_default());
    turns.ok_or_else(|| Fault(*line, format!("`for` {COUNTED}")))
}

/// The number of iterations of `(var i = 0; i < 8; i++) { … }` and the position of its end, if it has this form.
fn header(tokens: &[Token<'_>]) -> Option<(u64, usize)> {
    let words: Vec<&str> = tokens.iter().map(|token| token.word).collect();
    let ["(", "var", name, rest @ ..] = &words[..] else { return None };
    let rest = match rest {
        [":", "u32" | "i32", rest @ ..] => rest,
        _ => rest,
    };
    let ["=", from, ";", same, "<", rest @ ..] = rest else { return None };
    let (closed, rest) = match rest {
        ["=", rest @ ..] => (1, rest),
        _ => (0, rest),
    };
    let [to, ";", again, "+", rest @ ..] = rest else { return None };
    let (step, rest) = match rest {
        ["+", rest @ ..] => (1, rest),
        ["=", step, rest @ ..] => (integer(step)?, rest),
        _ => return None,
    };
    let [")", "{", body @ ..] = rest else { return None };
    let mut depth = 1;
    let end = body.iter().position(|word| {
        depth += match *word {
            "{" => 1,
            "}" => -1,
            _ => 0,
        };
        depth == 0
    })?;
    let kept = [same, again] == [name, name] && step > 0 && keeps(body.get(..end)?, name);
    let turns = (integer(to)? + closed).saturating_sub(integer(from)?).div_ceil(step.max(1));
    kept.then_some((turns, words.len() - body.len() + end + 1))
}

/// Returns whether the body of a loop neither changes the loop counter nor takes its address.
fn keeps(body: &[&str], name: &str) -> bool {
    let changes = |after: &[&str]| match after {
        ["=", "=", ..] => false,
        ["=", ..] | ["+", "+", ..] | ["-", "-", ..] => true,
        ["<", "<", "=", ..] | [">", ">", "=", ..] => true,
        ["+" | "-" | "*" | "/" | "%" | "&" | "|" | "^", "=", ..] => true,
        _ => false,
    };
    !(0..body.len()).filter(|at| body.get(*at) == Some(&name)).any(|at| {
        let (before, after) = body.split_at(at);
        let bracketed = matches!(before, [.., other, "("] if !is_name(other)) || before == ["("];
        let closed = matches!(after, [_, ")", ..]);
        let address = before.last() == Some(&"&");
        address || (bracketed && closed) || changes(after.get(1..).unwrap_or_default())
    })
}

/// The number of tokens of a function, and of its calls of other functions, multiplied by loop iterations.
#[derive(Default)]
struct Body<'a> {
    own: u64,
    calls: Vec<(&'a str, u64)>,
}

/// Fails if the source is too long after inlining calls and unrolling loops.
fn work(text: &str) -> Checked {
    let text = format!("{text}\n{MATH}");
    let bodies = bodies(&tokens(&text));
    let mut all: HashMap<&str, u64> = bodies.keys().map(|name| (*name, 0)).collect();
    // Each round inlines one more level of calls; recursive calls grow past the limit.
    loop {
        let weight = |body: &Body<'_>| {
            let calls = body
                .calls
                .iter()
                .map(|(name, times)| times.saturating_mul(all.get(name).copied().unwrap_or(0)));
            calls.fold(body.own, u64::saturating_add)
        };
        let next: HashMap<&str, u64> =
            bodies.iter().map(|(name, body)| (*name, weight(body))).collect();
        if let Some((name, weight)) = next.iter().find(|(_, weight)| **weight > MOST_WORK) {
            let message = format!(
                "`{name}` is {weight} tokens long once its calls and loops are written out; the most is {MOST_WORK}"
            );
            return refuse(1, message);
        }
        if next == all {
            return Ok(());
        }
        all = next;
    }
}

fn bodies<'a>(tokens: &[Token<'a>]) -> HashMap<&'a str, Body<'a>> {
    let mut all: HashMap<&str, Body<'_>> = HashMap::new();
    let mut name = "";
    // The enclosing loops of a token, each with its end and the product of iterations up to it.
    let mut loops: Vec<(usize, u64)> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        loops.retain(|(end, _)| at < *end);
        let times = loops.last().map_or(1, |(_, times)| *times);
        match counted(tokens.get(at..).unwrap_or_default()) {
            Ok((turns, len)) if len > 0 => loops.push((at + len, times.saturating_mul(turns))),
            _ => {}
        }
        if let Some(next) = tokens.get(at + 1).filter(|_| token.word == "fn") {
            name = next.word;
        }
        let body = all.entry(name).or_default();
        body.own = body.own.saturating_add(times);
        let next = tokens.get(at + 1).map_or("", |next| next.word);
        if is_name(token.word) && next == "(" && token.word != name {
            body.calls.push((token.word, times));
        }
    }
    all
}
