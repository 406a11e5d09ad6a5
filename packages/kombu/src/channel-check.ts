import { Channel } from "./channel.js";
import type { Check } from "./check.js";

/** What works on a channel is given one. */
export const channelCheck: Check = {
  expected: "a Channel, such as await connection.channel()",
  holds: (v) => v instanceof Channel,
};
