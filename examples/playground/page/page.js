// The page: controls to settings, settings to the address, and the loop that trains and draws.
import init, { Playground, colours, formula, names } from "./wgrad_playground.js";

const get = (id) => document.getElementById(id);
const form = get("settings");
const field = (name) => form.elements[name];
const KEYS = ["data", "noise", "own", "hidden", "activation", "loss", "optimizer", "rate", "batch", "l1", "l2", "seed"];
const DEFAULTS = {
    data: "spiral", noise: "0", own: "", hidden: "16,16", activation: "tanh", loss: "", optimizer: "adam",
    rate: "0.01", batch: "0", l1: "0", l2: "0", seed: "0",
};
const REACH = 1.2;
// How long a slice of training may keep the page busy, in milliseconds, where its beginning does not take longer.
const SLICE = 30;

let playground, palette, marks = [], isCurve = false, isTraining = false, onCpu = false, hasGpu = false;
let losses = [], epochs = 1, spoken = 0, rate = 0, fastest = Infinity;
// The same run on the CPU, beside the GPU's.
let reference = null, compared = [], compareRate = 0;
// Calls wait for each other: the module does one thing at a time.
let last = Promise.resolve();
const then = (work) => (last = last.then(work).catch(tell));

function tell(error) {
    isTraining = false;
    showTraining();
    get("message").textContent = error.message ?? String(error);
}

function options(select, values, family) {
    const chosen = select.value;
    select.replaceChildren(...values.map((name) => {
        const option = new Option(name.replaceAll("_", " "), name);
        if (family) option.title = formula(family, name);
        return option;
    }));
    if (values.includes(chosen)) select.value = chosen;
}

function settings() {
    return Object.fromEntries(KEYS.map((key) => [key, field(key).value.trim()]));
}

function read(address) {
    const given = new URLSearchParams(address.replace(/^#/, ""));
    for (const key of KEYS) {
        const value = given.get(key) ?? DEFAULTS[key];
        if (field(key).tagName === "SELECT" && ![...field(key).options].some((option) => option.value === value)) continue;
        field(key).value = value;
    }
    get("engine").value = given.get("engine") === "cpu" || !hasGpu ? "cpu" : "gpu";
    get("compare").checked = given.get("compare") === "cpu";
}

function write() {
    const changed = Object.entries(settings()).filter(([key, value]) => value !== DEFAULTS[key]);
    const text = new URLSearchParams(changed);
    if (hasGpu && get("engine").value === "cpu") text.set("engine", "cpu");
    if (hasGpu && get("compare").checked) text.set("compare", "cpu");
    history.replaceState(null, "", text.size ? `#${text}` : location.pathname + location.search);
}

// The losses that suit the data, the usual one first.
function offerLosses() {
    const wanted = isCurve ? "loss of a curve" : "loss of classes";
    const select = field("loss");
    const list = names(wanted);
    const usual = isCurve ? "mse" : "cross_entropy";
    const chosen = select.value;
    options(select, list.filter((name) => name !== usual), "loss");
    select.prepend(new Option(usual.replaceAll("_", " "), ""));
    select.options[0].title = formula("loss", usual);
    select.value = list.includes(chosen) && chosen !== usual ? chosen : "";
}

function begin() {
    isCurve = field("data").value === "sine" || (field("data").value === "own" && field("own").value.trim().split("\n")[0].split(",").length === 2);
    offerLosses();
    const isOwn = field("data").value === "own";
    get("own").hidden = !isOwn;
    document.body.classList.toggle("drawing", isOwn);
    form.querySelector("output").value = field("noise").value;
    onCpu = get("engine").value === "cpu";
    write();
    [losses, epochs, rate, fastest, marks] = [[], 1, 0, Infinity, []];
    [compared, compareRate] = [[], 0];
    get("compare").disabled = onCpu;
    const isCompared = get("compare").checked && !onCpu;
    get("cpu").hidden = get("comparison").hidden = !isCompared;
    get("message").textContent = "";
    show([0, 0, NaN, NaN]);
    if (isOwn && field("own").value.trim().split("\n").length < 2) {
        isTraining = false;
        showTraining();
        drawMarks();
        get("message").textContent = "Draw or paste at least two rows.";
        return;
    }
    then(async () => {
        const all = Object.entries(settings()).flat();
        marks = playground.begin(all, onCpu);
        reference?.free();
        reference = isCompared ? new Playground() : null;
        reference?.begin(all, true);
        drawMarks();
        await draw();
    });
}

// Half of the points are enough for a long curve.
const half = (list) => list.length > 1000 ? list.filter((_, index) => index % 2 || index === list.length - 1) : list;

// Trains some epochs or, for none, one step; gives the figures, the points with them and the steps per second.
async function advance(run, count, points, rate) {
    const before = performance.now();
    const found = await (count ? run.train(count) : run.step());
    const now = 1000 * (found[0] - (points.at(-1)?.[0] ?? 0)) / (performance.now() - before);
    return [found, half([...points, found]), rate ? 0.9 * rate + 0.1 * now : now];
}

async function slice(count) {
    const before = performance.now();
    let found, beside;
    [found, losses, rate] = await advance(playground, count, losses, rate);
    if (reference) [beside, compared, compareRate] = await advance(reference, count, compared, compareRate);
    const took = performance.now() - before;
    fastest = Math.min(fastest, took);
    if (beside) get("comparison").textContent =
        `CPU reference: loss ${digits(beside[2])}, ${Math.round(compareRate).toLocaleString("en")} steps/s`;
    const room = Math.max(SLICE, 2 * fastest) / took;
    epochs = Math.max(1, Math.min(1000, Math.round(count * Math.min(2, room))));
    await draw();
    show(found);
    if (!Number.isFinite(found[2])) throw new Error("The loss is no longer a number: try a lower learning rate.");
}

async function loop() {
    while (isTraining) {
        await then(() => isTraining && slice(epochs));
        await new Promise((done) => requestAnimationFrame(done));
    }
}

async function draw() {
    const isDrawn = playground.draw();
    for (const [canvas, pixels] of [["field", "pixels"], ["weights", "weight-pixels"]]) {
        get(canvas).hidden = !isDrawn;
        get(pixels).hidden = isDrawn;
    }
    if (isDrawn) return;
    const picture = get("pixels").getContext("2d");
    picture.clearRect(0, 0, 640, 640);
    if (isCurve) {
        const values = await playground.curve();
        picture.lineWidth = 7;
        picture.lineJoin = "round";
        picture.strokeStyle = palette[0];
        picture.beginPath();
        values.forEach((value, index) => picture.lineTo((index + 0.5) * 640 / values.length, place(value)));
        picture.stroke();
    } else {
        const image = new ImageData(new Uint8ClampedArray(await playground.field_pixels()), 128, 128);
        picture.drawImage(await createImageBitmap(image), 0, 0, 640, 640);
    }
    const { width, height } = get("weight-pixels");
    const image = new ImageData(new Uint8ClampedArray(await playground.weight_pixels(width, height)), width, height);
    get("weight-pixels").getContext("2d").putImageData(image, 0, 0);
}

const place = (value) => (1 - value / REACH) * 320;
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);

function drawMarks() {
    const picture = get("marks").getContext("2d");
    picture.clearRect(0, 0, 640, 640);
    picture.lineWidth = 1.5;
    picture.strokeStyle = getComputedStyle(document.querySelector(".picture")).backgroundColor;
    for (let at = 0; at < marks.length; at += 3) {
        picture.fillStyle = marks[at + 2] < 0 ? getComputedStyle(get("device")).color : palette[marks[at + 2]];
        picture.beginPath();
        const isCurve = marks[at + 2] < 0;
        picture.arc(640 - place(marks[at]), place(marks[at + 1]), isCurve ? 2.5 : 6.5, 0, 7);
        picture.fill();
        if (!isCurve) picture.stroke();
    }
}

function drawLosses() {
    const canvas = get("losses"), picture = canvas.getContext("2d");
    const { width, height } = canvas, [left, bottom, top] = [76, 36, 14];
    picture.clearRect(0, 0, width, height);
    const shown = losses.flatMap((row) => [row[2], row[3]]).filter((value) => value > 0 && Number.isFinite(value));
    if (!shown.length) return;
    const low = Math.floor(Math.log10(Math.min(...shown))), high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...shown))));
    const end = losses.at(-1)[1];
    const x = (epoch) => left + (width - left - 16) * epoch / end;
    const y = (value) => top + (height - top - bottom) * (high - Math.log10(value)) / (high - low);
    const soft = getComputedStyle(get("device")).color;
    picture.font = "20px system-ui, sans-serif";
    picture.fillStyle = soft;
    picture.textAlign = "right";
    picture.textBaseline = "middle";
    picture.strokeStyle = getComputedStyle(canvas).borderTopColor;
    picture.lineWidth = 1;
    for (let power = low; power <= high; power += Math.ceil((high - low) / 4)) {
        picture.fillText(power < -3 || power > 3 ? `1e${power}` : String(+(10 ** power).toPrecision(1)), left - 10, y(10 ** power));
        picture.beginPath();
        picture.moveTo(left, y(10 ** power));
        picture.lineTo(width - 16, y(10 ** power));
        picture.stroke();
    }
    picture.fillText(`epoch ${short(end)}`, width - 16, height - 16);
    const text = getComputedStyle(document.body).color;
    for (const [points, part, colour, dashes] of [[losses, 3, palette[1], []], [losses, 2, palette[0], []], [compared, 2, text, [6, 10]]]) {
        picture.strokeStyle = colour;
        picture.lineWidth = 3;
        picture.setLineDash(dashes);
        picture.beginPath();
        points.forEach((row) => row[part] > 0 && picture.lineTo(x(row[1]), y(row[part])));
        picture.stroke();
    }
    picture.setLineDash([]);
}

const digits = (value) => Number.isFinite(value) ? (Math.abs(value) < 1e-3 && value ? value.toExponential(1) : value.toPrecision(3)) : "–";

const short = (epoch) => String(+epoch.toFixed(2));

function show([steps, epoch, loss, validation]) {
    get("loss").textContent = digits(loss);
    get("validation").textContent = digits(validation);
    get("epoch").textContent = short(epoch);
    get("speed").textContent = rate ? Math.round(rate).toLocaleString("en") : "–";
    drawLosses();
    const now = performance.now();
    if (steps && (now - spoken > 5000 || !isTraining)) {
        spoken = now;
        get("spoken").textContent = `Epoch ${short(epoch)}: loss ${digits(loss)}, validation ${digits(validation)}`;
    }
}

function showTraining() {
    get("train").textContent = isTraining ? "Pause" : "Train";
}

function toggle() {
    isTraining = !isTraining && Boolean(marks.length);
    showTraining();
    if (isTraining) loop();
}

function save(bytes, name) {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(new Blob([bytes])), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function take(file) {
    field("own").value = (await file.text()).trim();
    field("data").value = "own";
    begin();
}

function addPoint({ offsetX, offsetY }) {
    const { clientWidth: width } = get("marks");
    const at = (value) => ((2 * value / width - 1) * REACH).toFixed(3);
    const rows = field("own").value.trim();
    const row = [at(offsetX), -at(offsetY)].concat(get("brush").value || []);
    field("own").value = rows ? `${rows}\n${row}` : String(row);
    begin();
}

function listen() {
    get("train").onclick = toggle;
    for (const [id, count] of [["step", 0], ["epochs", 1]]) {
        get(id).onclick = () => { isTraining = false; showTraining(); if (marks.length) then(() => slice(count)); };
    }
    get("reset").onclick = begin;
    get("export").onclick = () => then(async () => save(await playground.export(), "network.safetensors"));
    get("share").onclick = async () => {
        await navigator.clipboard.writeText(location.href);
        get("spoken").textContent = get("share").textContent = "Link copied";
        setTimeout(() => get("share").textContent = "Copy link", 2000);
    };
    get("engine").onchange = get("compare").onchange = begin;
    get("brush").onchange = (event) => event.stopPropagation();
    get("file").onchange = ({ target }) => target.files[0] && take(target.files[0]);
    form.onsubmit = (event) => event.preventDefault();
    form.onchange = ({ target }) => {
        if (!target.name || !target.reportValidity()) return;
        // The learning rate changes while the run goes on.
        if (target.name === "rate" && losses.length) {
            write();
            then(() => [playground, reference].forEach((run) => run?.set_rate(Number(target.value))));
        } else begin();
    };
    field("noise").oninput = ({ target }) => form.querySelector("output").value = target.value;
    get("marks").onpointerdown = (event) => field("data").value === "own" && addPoint(event);
    document.ondragover = (event) => { event.preventDefault(); document.body.classList.add("dropping"); };
    document.ondragleave = () => document.body.classList.remove("dropping");
    document.ondrop = (event) => {
        event.preventDefault();
        document.body.classList.remove("dropping");
        if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]).catch(tell);
    };
    addEventListener("hashchange", () => { read(location.hash); begin(); });
    matchMedia("(prefers-color-scheme: dark)").onchange = () => { drawMarks(); drawLosses(); };
}

async function connect() {
    try {
        if (!navigator.gpu) throw new Error();
        const name = await playground.connect(get("field"), get("weights"));
        get("device").textContent = `Trains on ${name}`;
        hasGpu = true;
    } catch (error) {
        get("device").textContent = "This browser offers no WebGPU that works here, so the page trains on the CPU reference.";
        get("device").title = error.message;
        get("engine").querySelector("[value=gpu]").disabled = true;
    }
}

await init();
palette = colours();
playground = new Playground();
for (const list of ["data", "activation", "optimizer"]) options(field(list), names(list), list === "data" ? "" : list);
options(field("loss"), ["", ...names("loss of classes"), ...names("loss of a curve")]);
get("brush").replaceChildren(...palette.map((_, index) => new Option(`Class ${index}`, index)), new Option("Curve", ""));
await connect();
read(location.hash);
listen();
begin();
