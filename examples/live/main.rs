//! A window in whose frames a network is trained: the decision field of three spiral arms, drawn from the live buffers, while
//! keys change the learning rate, the activation and the optimizer.
//!
//! `cargo run --release -p live`

#[path = "../host/mod.rs"]
mod host;

mod guest;

use std::sync::Arc;

use clap::Parser;
use guest::Guest;
use host::Result;
use wgpu::util::DeviceExt;
use wgrad::data::Targets;
use wgrad::embed::Budget;
use wgrad::prelude::*;
use wgrad::wgpu;
use winit::application::ApplicationHandler;
use winit::event::{ElementState, KeyEvent, WindowEvent};
use winit::event_loop::{ActiveEventLoop, EventLoop};
use winit::keyboard::{Key, NamedKey};
use winit::window::{Window, WindowId};

/// Trains in a window; keys: up and down for the learning rate, A activation, O optimizer, R restart, space, Escape
#[derive(Parser)]
struct Cli {
    /// A part of the adapter's name; any, hardware first, unless given
    #[arg(long, default_value = "gpu", value_name = "NAME")]
    device: String,
    /// How many milliseconds of a frame are for training
    #[arg(long, default_value_t = 8, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=100))]
    budget: u64,
    /// Close after this many frames
    #[arg(long, value_name = "N")]
    frames: Option<u64>,
    /// The seed of initial weights
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// End with one line of JSON on standard output
    #[arg(long)]
    json: bool,
}

/// The application: nothing but its options until it has a window.
struct App {
    cli: Cli,
    running: Option<Running>,
    /// What ended it.
    outcome: Result,
}

/// The window, its surface, and the guest in its frames.
struct Running {
    window: Arc<Window>,
    surface: wgpu::Surface<'static>,
    config: wgpu::SurfaceConfiguration,
    device: wgpu::Device,
    queue: wgpu::Queue,
    adapter: String,
    guest: Guest,
    paused: bool,
    frames: u64,
}

impl Running {
    fn new(event_loop: &ActiveEventLoop, cli: &Cli) -> Result<Self> {
        let size = winit::dpi::LogicalSize::new(640, 640);
        let attributes = Window::default_attributes().with_title("wgrad").with_inner_size(size);
        let window = Arc::new(event_loop.create_window(attributes)?);
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let surface = instance.create_surface(window.clone())?;
        let fits = |adapter: &wgpu::Adapter| adapter.is_surface_supported(&surface);
        let adapter = pollster::block_on(host::adapter(&instance, &cli.device, fits))?;
        let wanted = wgpu::DeviceDescriptor {
            required_features: adapter.features() & Gpu::recommended_features(),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&wanted))?;
        let size = window.inner_size();
        let config = surface.get_default_config(&adapter, size.width.max(1), size.height.max(1));
        let mut config = config.ok_or("the adapter cannot draw to this window")?;
        // The painter's colours are those of the screen.
        let formats = surface.get_capabilities(&adapter).formats;
        config.format = *formats.iter().find(|f| !f.is_srgb()).unwrap_or(&config.format);
        config.present_mode = wgpu::PresentMode::Fifo;
        surface.configure(&device, &config);

        let data = data::spiral(100, 3, cli.seed)?;
        let Targets::Classes { labels, .. } = data.targets() else {
            return Err("no classes".into());
        };
        let points: Vec<f32> = data.inputs().iter().copied().collect();
        let usage = wgpu::BufferUsages::STORAGE;
        let filled = |contents: &[u8]| {
            let label = Some("host");
            let descriptor = wgpu::util::BufferInitDescriptor { label, contents, usage };
            device.create_buffer_init(&descriptor)
        };
        let buffers = [filled(bytemuck::cast_slice(&points)), filled(bytemuck::cast_slice(labels))];
        let gpu = Gpu::from_wgpu(&device, &queue);
        let guest = Guest::new(gpu, config.format, data, buffers, cli.seed)?;
        let adapter = adapter.get_info().name;
        let (paused, frames) = (false, 0);
        Ok(Self { window, surface, config, device, queue, adapter, guest, paused, frames })
    }

    fn resize(&mut self, size: winit::dpi::PhysicalSize<u32>) {
        (self.config.width, self.config.height) = (size.width.max(1), size.height.max(1));
        self.surface.configure(&self.device, &self.config);
    }

    fn draw(&mut self, budget: Budget) -> Result {
        use wgpu::CurrentSurfaceTexture as Current;
        let texture = match self.surface.get_current_texture() {
            Current::Success(texture) | Current::Suboptimal(texture) => texture,
            Current::Outdated | Current::Lost => {
                self.surface.configure(&self.device, &self.config);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let mut encoder = self.device.create_command_encoder(&Default::default());
        if !self.paused {
            self.guest.frame(&mut encoder, &texture.texture, budget)?;
        } else {
            self.guest.draw(&mut encoder, &texture.texture);
        }
        self.queue.submit([encoder.finish()]);
        self.queue.present(texture);
        // What was done comes back.
        self.device.poll(wgpu::PollType::Poll)?;
        self.frames += 1;
        if self.frames.is_multiple_of(10) {
            self.name();
        }
        Ok(())
    }

    /// The window's title: what is, and what the keys do.
    fn name(&self) {
        let space = if self.paused { "paused, go on" } else { "pause" };
        self.window.set_title(&format!("{}  [space] {space}", self.guest.title()));
    }

    fn key(&mut self, key: &Key) -> Result {
        match key.as_ref() {
            Key::Named(NamedKey::ArrowUp) => self.guest.scale_rate(1.5),
            Key::Named(NamedKey::ArrowDown) => self.guest.scale_rate(1.0 / 1.5),
            Key::Named(NamedKey::Space) => {
                self.paused = !self.paused;
                Ok(())
            }
            Key::Character("a" | "A") => self.guest.next_activation(),
            Key::Character("o" | "O") => self.guest.next_optimizer(),
            Key::Character("r" | "R") => self.guest.restart(),
            _ => Ok(()),
        }
    }
}

impl App {
    fn end(&mut self, event_loop: &ActiveEventLoop, outcome: Result) {
        if self.outcome.is_ok() {
            self.outcome = outcome;
        }
        event_loop.exit();
    }

    fn react(&mut self, event: WindowEvent) -> Result<bool> {
        let Some(running) = &mut self.running else { return Ok(false) };
        match event {
            WindowEvent::CloseRequested => return Ok(true),
            WindowEvent::Resized(size) => running.resize(size),
            WindowEvent::RedrawRequested => {
                running.draw(Budget::millis(self.cli.budget))?;
                running.window.request_redraw();
                return Ok(self.cli.frames.is_some_and(|frames| running.frames >= frames));
            }
            WindowEvent::KeyboardInput {
                event: KeyEvent { logical_key, state: ElementState::Pressed, .. },
                ..
            } => {
                if logical_key == Key::Named(NamedKey::Escape) {
                    return Ok(true);
                }
                running.key(&logical_key)?;
                running.name();
            }
            _ => {}
        }
        Ok(false)
    }
}

impl ApplicationHandler for App {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        match Running::new(event_loop, &self.cli) {
            Ok(running) => {
                running.window.request_redraw();
                self.running = Some(running);
            }
            Err(error) => self.end(event_loop, Err(error)),
        }
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        match self.react(event) {
            Ok(false) => {}
            Ok(true) => self.end(event_loop, Ok(())),
            Err(error) => self.end(event_loop, Err(error)),
        }
    }
}

fn main() -> Result {
    let mut app = App { cli: Cli::parse(), running: None, outcome: Ok(()) };
    EventLoop::new()?.run_app(&mut app)?;
    app.outcome?;
    let Some(Running { guest, adapter, frames, .. }) = &app.running else { return Ok(()) };
    if app.cli.json {
        let (loss, accuracy) = (guest.loss(), guest.accuracy());
        let json = serde_json::json!({
            "example": "live", "adapter": adapter, "frames": frames, "loss": loss, "accuracy": accuracy,
        });
        println!("{json}");
    } else {
        println!("{} on {adapter}", guest.title());
    }
    Ok(())
}
