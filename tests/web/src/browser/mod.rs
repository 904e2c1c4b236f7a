//! The checks that the page runs, each by its name.

mod frames;
mod kernels;
mod lost;
mod whole;

use serde_json::{Value, json};
use wasm_bindgen::prelude::*;
use wgrad::embed::Gpu;

use crate::runs::{Net, Speed, checkpoint, resumed, speed};

/// What a check found, or why it failed.
type Found = Result<Value, Box<dyn std::error::Error>>;

#[wasm_bindgen]
extern "C" {
    /// Tells the server of a panic, which leaves the page's promises unanswered.
    #[wasm_bindgen(js_namespace = window, js_name = panicked)]
    fn panicked(message: &str);
    /// Sends bytes to the server.
    #[wasm_bindgen(js_namespace = window, js_name = send)]
    fn send(place: &str, bytes: &[u8]);
    /// Gets bytes from the server.
    #[wasm_bindgen(js_namespace = window, js_name = get, catch)]
    async fn get(place: &str) -> Result<JsValue, JsValue>;
}

#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|info| panicked(&info.to_string())));
}

/// The names of all checks, in the order in which they run.
#[wasm_bindgen]
pub fn names() -> Vec<String> {
    let nets = Net::ALL.iter().flat_map(|net| [true, false].map(|fused| training(*net, fused)));
    let others = [
        "adapter",
        "self test",
        "checkpoint out",
        "checkpoint in",
        "PyTorch's weights",
        "required limits",
        "prewarm",
        "warm",
        "tune",
        "profile",
        "weights",
        "device loss",
        "frames",
        "registry",
    ];
    let others = others.into_iter().map(str::to_string);
    // The last one, when nothing runs natively any more.
    others.chain(nets).chain(["speed".to_string()]).collect()
}

fn training(net: Net, fused: bool) -> String {
    format!("{}, {}", net.name(), if fused { "fused" } else { "op by op" })
}

/// Runs a check; the answer is JSON.
#[wasm_bindgen]
pub async fn check(name: String) -> String {
    match found(&name).await {
        Ok(found) => found.to_string(),
        Err(error) => json!({ "error": error.to_string() }).to_string(),
    }
}

/// Runs the check that raises an error on purpose; the answer is JSON.
#[wasm_bindgen]
pub async fn check_late_errors() -> String {
    match kernels::late_errors().await {
        Ok(found) => found.to_string(),
        Err(error) => json!({ "error": error.to_string() }).to_string(),
    }
}

async fn found(name: &str) -> Found {
    let gpu = Gpu::request().await?;
    match name {
        "adapter" => Ok(json!({ "adapter": gpu.to_string() })),
        "self test" => whole::self_test(&gpu).await,
        "checkpoint out" => {
            let (bytes, after) = checkpoint(&gpu).await?;
            send("/checkpoint", &bytes);
            Ok(json!({ "losses": after }))
        }
        "checkpoint in" => {
            let bytes = get("/native.safetensors").await.map_err(|error| format!("{error:?}"))?;
            let bytes = js_sys::Uint8Array::new(&bytes).to_vec();
            Ok(json!({ "losses": resumed(&gpu, &bytes).await? }))
        }
        "PyTorch's weights" => whole::weights_of_pytorch(&gpu).await,
        "required limits" => {
            let limits = Gpu::required_limits_async(&Net::Digits.program()?).await?;
            Ok(json!({ "limits": format!("{limits:?}") }))
        }
        "prewarm" => whole::prewarm(&gpu).await,
        "warm" => whole::warm(&gpu).await,
        "tune" => whole::tune(&gpu).await,
        "profile" => whole::profile(&gpu).await,
        "weights" => whole::weights(&gpu).await,
        "device loss" => lost::goes_on().await,
        "frames" => frames::all().await,
        "registry" => kernels::registry(&gpu),
        "speed" => {
            let Speed { first_step, steps } = speed(&gpu).await?;
            Ok(json!({ "first step": first_step, "steps": steps }))
        }
        _ => {
            let mut all = Net::ALL.iter().flat_map(|net| [(*net, true), (*net, false)]);
            let run = all.find(|(net, fused)| training(*net, *fused) == name);
            let (net, fused) = run.ok_or("there is no such check")?;
            let losses = net.train(&gpu, fused).await?;
            Ok(json!({ "first": losses.first, "last": losses.last }))
        }
    }
}
