//! Serves a page on this machine: `wgrad-serve FOLDER [PORT]`.

use std::error::Error;

use tiny_http::Server;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: wgrad-serve FOLDER [PORT]")?;
    let port: u16 = arguments.next().map_or(Ok(8080), |port| port.parse())?;
    let server = Server::http(("127.0.0.1", port)).map_err(|error| error.to_string())?;
    let port = server.server_addr().to_ip().map_or(port, |address| address.port());
    println!("http://127.0.0.1:{port}/");
    for request in server.incoming_requests() {
        // A browser that has gone away needs no answer.
        let _ = wgrad_serve::answer(request, folder.as_ref());
    }
    Ok(())
}
