/** Whether a peer with this address is on this machine. */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}

/** An address of IPv4 as such, also on a socket that takes both. */
export function plainAddress(address = ''): string {
  return address.replace(/^::ffff:/, '');
}
