const CENTRED = false;
const ACROSS_ROWS = false;
