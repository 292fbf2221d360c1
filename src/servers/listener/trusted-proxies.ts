import { BlockList, isIP } from 'node:net';
import { plainAddress } from './loopback.ts';

/** The addresses of proxies whose word is taken for whom they stand for. */
export class TrustedProxies {
  readonly #addresses = new BlockList();

  /** Addresses, or networks such as `10.0.0.0/8`. @throws Error that names what is neither */
  constructor(addresses: readonly string[]) {
    for (const text of addresses) this.#add(text);
  }

  includes(address: string): boolean {
    // Without the zone of a link-local address, which is the name of one of our network interfaces.
    const [plain = ''] = plainAddress(address).split('%');
    const version = isIP(plain);
    return version !== 0 && this.#addresses.check(plain, version === 4 ? 'ipv4' : 'ipv6');
  }

  #add(text: string): void {
    const [address = '', prefix, ...rest] = text.split('/');
    const version = isIP(address);
    const bits = version === 4 ? 32 : 128;
    const length = prefix === undefined ? bits : Number(prefix);
    const isAddress = version !== 0 && !address.includes('%');
    const isValid = isAddress && rest.length === 0 && /^\d{1,3}$/.test(prefix ?? '0') && length <= bits;
    if (!isValid) {
      throw new Error(`'${text}' is neither an address nor a network such as 10.0.0.0/8 or fd00::/8`);
    }
    this.#addresses.addSubnet(address, length, version === 4 ? 'ipv4' : 'ipv6');
  }
}
