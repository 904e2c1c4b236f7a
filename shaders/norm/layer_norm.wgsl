const CENTRED = true;
const ACROSS_ROWS = false;
