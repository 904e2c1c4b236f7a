//! Answers a browser's requests with the files of a folder.

use std::fs::File;
use std::io;
use std::path::Path;

use tiny_http::{Header, Request, Response};

/// The name that a request asks for; a folder's is its page.
fn name(url: &str) -> &str {
    let name = url.split('?').next().unwrap_or_default().trim_start_matches('/');
    if name.is_empty() { "index.html" } else { name }
}

/// The type of a file by its name; a browser compiles WebAssembly only if it is called so.
fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

/// Answers with a file of the folder, or that there is none. Folders within it are not served.
///
/// # Errors
/// That the browser has gone.
pub fn answer(request: Request, folder: &Path) -> io::Result<()> {
    let name = name(request.url());
    let file = Some(name).filter(|name| !name.contains(['/', '\\']));
    match file.and_then(|name| File::open(folder.join(name)).ok()) {
        Some(file) => {
            let header = Header::from_bytes("Content-Type", content_type(name)).ok();
            let response = Response::from_file(file);
            request.respond(header.into_iter().fold(response, Response::with_header))
        }
        None => request.respond(Response::empty(404)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file_and_its_type() {
        for (url, file, kind) in [
            ("/", "index.html", "text/html"),
            ("/?only=sine", "index.html", "text/html"),
            ("/page.js", "page.js", "text/javascript"),
            ("/module.wasm?1", "module.wasm", "application/wasm"),
            ("/weights", "weights", "application/octet-stream"),
        ] {
            assert_eq!((name(url), content_type(name(url))), (file, kind));
        }
    }
}
