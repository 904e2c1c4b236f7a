//! Serves the page on this machine: `wgrad-playground PAGE-FOLDER [PORT]`.

#[cfg(not(target_family = "wasm"))]
fn main() -> wgrad_playground::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: wgrad-playground PAGE-FOLDER [PORT]")?;
    let port: u16 = arguments.next().map_or(Ok(8080), |port| port.parse())?;
    let server = tiny_http::Server::http(("127.0.0.1", port)).map_err(|error| error.to_string())?;
    let port = server.server_addr().to_ip().map_or(port, |address| address.port());
    println!("http://127.0.0.1:{port}/");
    for request in server.incoming_requests() {
        // A browser that has gone away needs no answer.
        let _ = answer(request, folder.as_ref());
    }
    Ok(())
}

#[cfg(not(target_family = "wasm"))]
fn answer(request: tiny_http::Request, folder: &std::path::Path) -> std::io::Result<()> {
    use tiny_http::{Header, Response};

    let name = request.url().split('?').next().unwrap_or_default().trim_start_matches('/');
    let name = if name.is_empty() { "index.html" } else { name };
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    };
    // The page has no folders.
    let file = Some(name).filter(|name| !name.contains(['/', '\\']));
    match file.and_then(|name| std::fs::File::open(folder.join(name)).ok()) {
        Some(file) => {
            let header = Header::from_bytes("Content-Type", kind).ok();
            let response =
                header.into_iter().fold(Response::from_file(file), Response::with_header);
            request.respond(response)
        }
        None => request.respond(Response::empty(404)),
    }
}

#[cfg(target_family = "wasm")]
fn main() {}
