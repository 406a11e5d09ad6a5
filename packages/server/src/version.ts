/** This package's version, as the discovery document shows it. A test compares it with package.json. */
export const VERSION = "0.1.0";
