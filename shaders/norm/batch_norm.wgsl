const CENTRED = true;
const ACROSS_ROWS = true;
