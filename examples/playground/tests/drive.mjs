// Clicks through the page in a browser, checks what it shows, and takes pictures of it:
// `node drive.mjs ADDRESS BROWSER PICTURES [ONLY]`, with playwright-core in a folder of NODE_PATH.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { loadavg } from "node:os";
import { join } from "node:path";

const { chromium } = createRequire(import.meta.url)("playwright-core");
const [address, executablePath, pictures, only = ""] = process.argv.slice(2);
mkdirSync(pictures, { recursive: true });
// Without Vulkan for its own pictures, a headless browser loses a device that draws on a canvas.
const gpu = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--use-vulkan=swiftshader",
    "--enable-features=Vulkan", "--use-angle=vulkan"];
const desktop = { width: 1280, height: 800 }, phone = { width: 390, height: 844 };

let failed = 0;
async function check(name, { flags = gpu, viewport = desktop, colorScheme = "light", hash = "" }, body) {
    if (!name.includes(only)) return;
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", ...flags] });
    const permissions = ["clipboard-read", "clipboard-write"];
    const page = await browser.newPage({ viewport, colorScheme, permissions, acceptDownloads: true });
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await page.addInitScript(() => {
        window.uncaptured = 0;
        if (!globalThis.GPUAdapter) return;
        const request = GPUAdapter.prototype.requestDevice;
        GPUAdapter.prototype.requestDevice = async function (...given) {
            const device = await request.apply(this, given);
            device.addEventListener("uncapturederror", ({ error }) => {
                window.uncaptured += 1;
                console.error(error.message);
            });
            return device;
        };
    });
    const began = Date.now();
    try {
        await page.goto(address + hash);
        await page.waitForFunction(() => document.getElementById("noise").value !== "" && !/Loading/.test(document.getElementById("device").textContent));
        await body(page);
        await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: viewport === phone });
        assert.deepEqual(errors, [], "errors on the console");
        assert.equal(await page.evaluate(() => window.uncaptured), 0, "uncaptured errors");
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= viewport.width, `the page is ${wide} pixels wide`);
        console.log(`ok      ${name}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
    } catch (error) {
        failed += 1;
        await page.screenshot({ path: join(pictures, `${name}.png`) }).catch(() => {});
        console.log(`FAILED  ${name}: ${error.message}\n${errors.join("\n")}`);
    }
    await browser.close();
}

const text = (page, id) => page.locator(`#${id}`).textContent();
const field = (page, name) => page.locator(`#settings [name=${name}]`);
const picture = (page, id) => page.locator(id).screenshot();
// Trains until the loss shown is below a bound, and pauses.
async function train(page, bound) {
    await page.getByRole("button", { name: "Train", exact: true }).click();
    await page.waitForFunction((bound) => parseFloat(document.getElementById("loss").textContent) < bound, bound, { timeout: 90000 });
    await page.getByRole("button", { name: "Pause" }).click();
    await page.waitForTimeout(300);
}

await check("spiral", {}, async (page) => {
    assert.match(await text(page, "device"), /^Trains on .+/);
    await page.reload();
    await page.waitForTimeout(1000);
    const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
    const load = loadavg()[0];
    console.log(`        first paint after ${Math.round(paint)} ms, at a load of ${load.toFixed(1)}`);
    // Says nothing on a machine that does something else.
    if (load < 1) assert.ok(paint < 1000, `the first paint takes ${paint} ms`);
    await page.waitForTimeout(500);
    const before = [await picture(page, ".picture"), await picture(page, ".weights")];
    await train(page, 0.3);
    const after = [await picture(page, ".picture"), await picture(page, ".weights")];
    after.forEach((now, index) => assert.notDeepEqual(now, before[index], "a picture that does not change"));
    assert.ok(parseFloat(await text(page, "validation")) < 0.9, "below the loss of three classes by chance, 1.1");
});

await check("sine", { hash: "#data=sine" }, (page) => train(page, 0.005));
await check("dark", { colorScheme: "dark", hash: "#data=moons&noise=0.06" }, (page) => train(page, 0.05));
await check("phone", { viewport: phone, hash: "#data=circles" }, (page) => train(page, 0.05));

await check("cpu", { flags: ["--disable-features=WebGPU"], hash: "#data=xor&hidden=8" }, async (page) => {
    assert.match(await text(page, "device"), /no WebGPU/);
    assert.equal(await page.locator("#engine").inputValue(), "cpu");
    await train(page, 0.1);
    assert.ok(await page.locator("#pixels").isVisible());
});

await check("cpu-sine", { hash: "#data=sine&engine=cpu", viewport: phone, colorScheme: "dark" }, (page) => train(page, 0.01));

await check("steps", { hash: "#batch=64" }, async (page) => {
    const epochs = async (button, wanted) => {
        await page.getByRole("button", { name: button }).click();
        await page.waitForFunction((wanted) => Math.abs(document.getElementById("epoch").textContent - wanted) < 0.006, wanted, { timeout: 20000 });
    };
    // 240 rows of the 300 are trained on.
    await epochs("One step", 0.25);
    await epochs("One step", 0.5);
    await epochs("One epoch", 1.5);
});

await check("compare", {}, async (page) => {
    await page.getByLabel("Train the CPU reference beside the GPU").check();
    assert.ok(page.url().includes("compare=cpu"), page.url());
    await train(page, 0.9);
    const [, loss] = (await text(page, "comparison")).match(/^CPU reference: loss ([0-9.]+), [0-9,]+ steps\/s$/);
    assert.ok(Math.abs(loss - await text(page, "loss")) < 0.01, `${loss} on the CPU, ${await text(page, "loss")} on the GPU`);
    assert.ok(await page.locator("#cpu").isVisible());
});

await check("files", {}, async (page) => {
    const rows = "x,y,class\n0.5,0.5,0\n-0.5,-0.5,0\n0.5,-0.5,1\n-0.5,0.5,1\n";
    const data = await page.evaluateHandle((rows) => {
        const data = new DataTransfer();
        data.items.add(new File([rows], "own.csv", { type: "text/csv" }));
        return data;
    }, rows);
    await page.dispatchEvent("body", "drop", { dataTransfer: data });
    await page.waitForFunction(() => document.querySelector("[name=own]").value.startsWith("x,y,class"));
    assert.equal(await field(page, "data").inputValue(), "own");
    assert.equal(await text(page, "message"), "");
    await page.locator("#file").setInputFiles({ name: "two.csv", mimeType: "text/csv", buffer: Buffer.from("0.1,0.2\n0.3,0.4\n0.5,0.6") });
    await page.waitForFunction(() => document.querySelector("[name=own]").value.startsWith("0.1,0.2"));
    await page.getByRole("button", { name: "Copy link" }).click();
    await page.getByRole("button", { name: "Link copied" }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), page.url());
    assert.ok(page.url().includes("own=0.1"), page.url());
});

await check("controls", {}, async (page) => {
    await field(page, "data").selectOption("own");
    await field(page, "own").fill("0.5,0.5,0\n-0.5,-0.5,0\n0.5,-0.5,1\n-0.5,0.5,1");
    await field(page, "own").blur();
    await page.locator("#brush").selectOption("2");
    await page.locator("#marks").click({ position: { x: 200, y: 200 } });
    assert.equal((await field(page, "own").inputValue()).split("\n").length, 5);
    await field(page, "activation").selectOption("relu");
    await field(page, "loss").selectOption("hinge");
    await field(page, "optimizer").selectOption("adamw");
    await field(page, "batch").selectOption("8");
    await field(page, "l2").fill("0.0001");
    await field(page, "l2").blur();
    await page.getByRole("button", { name: "One epoch" }).focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.getElementById("epoch").textContent === "1", null, { timeout: 20000 });
    await field(page, "rate").fill("0.02");
    await field(page, "rate").blur();
    assert.equal(await text(page, "message"), "");
    for (const part of ["data=own", "activation=relu", "loss=hinge", "optimizer=adamw", "batch=8", "rate=0.02"]) {
        assert.ok(page.url().includes(part), `${part} in ${page.url()}`);
    }
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save weights" }).click()]);
    const bytes = readFileSync(await download.path());
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))));
    assert.ok(Object.keys(header).some((key) => key.includes("weight")), Object.keys(header).join(" "));
    await page.reload();
    await page.waitForFunction(() => !/Loading/.test(document.getElementById("device").textContent));
    assert.equal(await field(page, "optimizer").inputValue(), "adamw");
    await page.getByRole("button", { name: "Reset" }).click();
    // Every control has a name.
    const unnamed = await page.locator("input, select, textarea, button").evaluateAll((all) =>
        all.filter((one) => !one.labels?.length && !one.textContent.trim() && !one.ariaLabel).map((one) => one.outerHTML));
    assert.deepEqual(unnamed, []);
});

process.exitCode = failed ? 1 : 0;
