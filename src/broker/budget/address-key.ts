/** Groups of an IPv6 address that are the network's; whoever has one has all addresses in it. */
const NETWORK_GROUPS = 4;

/**
 * Under which clients are counted that come from one place: an IPv4 address, the /64 network of an IPv6 address, and the
 * text itself of anything else.
 */
export function addressKey(address: string): string {
  if (!address.includes(':')) return address;
  const [plain] = address.split('%');
  const [head, tail] = plain.split('::') as [string, string | undefined];
  const front = head === '' ? [] : head.split(':');
  if (tail === undefined) return front.slice(0, NETWORK_GROUPS).join(':');
  const back = tail === '' ? [] : tail.split(':');
  // An IPv4 address at the end stands for two groups.
  const backGroups = back.length + (tail.includes('.') ? 1 : 0);
  const zeros = Array<string>(Math.max(0, 8 - front.length - backGroups)).fill('0');
  return [...front, ...zeros, ...back].slice(0, NETWORK_GROUPS).join(':');
}
