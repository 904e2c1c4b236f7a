fn max_keys(key: u32, lane: u32) -> u32 {
    return key;
}
