// Runs the checks one by one and tells the server what each finds.
import init, * as tests from "./wgrad_web_tests.js";

const send = (place, body) => fetch(place, { method: "POST", body });
window.send = (place, bytes) => send(place, bytes.slice());
window.get = async (place) => (await fetch(place)).arrayBuffer();
let isOver = false;
window.panicked = (message) => {
    if (!isOver) send("/panic", message).catch(() => {});
    isOver = true;
};
window.paint = (pixels) => {
    const image = new ImageData(new Uint8ClampedArray(pixels), 256, 128);
    document.getElementById("canvas").getContext("2d").putImageData(image, 0, 0);
};
window.nextFrame = () => new Promise((done) => requestAnimationFrame(done));
window.onerror = (message) => window.panicked(String(message));
window.onunhandledrejection = (event) => window.panicked(String(event.reason));

// Every shader module by its text, and every error that no scope caught.
const modules = new Map();
window.modules = 0;
const uncaptured = [];
if (navigator.gpu) {
    const createShaderModule = GPUDevice.prototype.createShaderModule;
    GPUDevice.prototype.createShaderModule = function (descriptor) {
        const module = createShaderModule.call(this, descriptor);
        window.modules += 1;
        modules.set(descriptor.code, module);
        return module;
    };
    const requestDevice = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = async function (descriptor) {
        const device = await requestDevice.call(this, descriptor);
        device.addEventListener("uncapturederror", ({ error }) => uncaptured.push(error.message));
        return device;
    };
}

async function messages() {
    const counts = { errors: 0, warnings: 0, infos: 0 };
    const texts = [];
    for (const module of modules.values()) {
        for (const { type, message, lineNum } of (await module.getCompilationInfo()).messages) {
            counts[`${type}s`] += 1;
            if (type !== "info" && texts.length < 5) texts.push(`${type} in line ${lineNum}: ${message}`);
        }
    }
    const found = { modules: modules.size, ...counts };
    return texts.length ? { error: texts.join("; "), ...found } : found;
}

const report = (name, found, began) => {
    const seconds = (performance.now() - began) / 1000;
    return send("/found", JSON.stringify({ name, found, seconds }));
};

async function run() {
    await init();
    const wanted = new URLSearchParams(location.search).get("only");
    for (const name of tests.names().filter((name) => !wanted || name.includes(wanted))) {
        const began = performance.now();
        await report(name, JSON.parse(await tests.check(name)), began);
    }
    const began = performance.now();
    await report("shader compiler", await messages(), began);
    const found = uncaptured.length ? { error: uncaptured.slice(0, 5).join("; ") } : {};
    await report("uncaptured errors", { count: uncaptured.length, ...found }, began);
    const late = performance.now();
    await report("late errors", JSON.parse(await tests.check_late_errors()), late);
    await send("/done", "");
}

// The page asks the browser itself: a library that finds no adapter where there is one has failed.
if (await navigator.gpu?.requestAdapter()) await run();
else await send("/lacks", navigator.gpu ? "a WebGPU adapter in the browser" : "WebGPU in the browser");
