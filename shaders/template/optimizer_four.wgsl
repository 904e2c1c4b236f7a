// What is the same for all parameters of a step.
struct Settings {
    sign: f32,
    coupled: f32,
    shrink: f32,
    scalars: Scalars,
}

fn settings(entry: u32) -> Settings {
    return Settings(
        steps.entries[entry].sign,
        steps.entries[entry].coupled,
        steps.entries[entry].shrink,
        steps.entries[entry].scalars,
    );
}

// Updates four parameters by their gradient.
fn update_four(i: u32, gradient: vec4<f32>, own: Settings) {
    let block = blocks[i / 16u];
    // What is frozen stays, and so does its state: it may be something else's to move.
    if block.multiplier == 0.0 {
        return;
    }
    let before = param[i];
    let g = own.sign * gradient + own.coupled * block.decays * before;
    let p = before - own.shrink * block.decays * block.multiplier * before;
    // One column per element.
    let s = transpose(load_state(i));
    let x = formula(p.x, g.x, s[0], own.scalars, block, 4u * i);
    let y = formula(p.y, g.y, s[1], own.scalars, block, 4u * i + 1u);
    let z = formula(p.z, g.z, s[2], own.scalars, block, 4u * i + 2u);
    let w = formula(p.w, g.w, s[3], own.scalars, block, 4u * i + 3u);
    store_state(i, transpose(mat4x4(x.state, y.state, z.state, w.state)));
    let next = p - factor(block) * vec4(x.delta, y.delta, z.delta, w.delta);
    // A NaN stays one, whatever the formula sees of it.
    param[i] = keep_nans(g, next);
}
