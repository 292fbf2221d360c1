import { BlockList, isIP } from 'node:net';
import { plainAddress } from './loopback.ts';

interface Network {
  readonly address: string;
  readonly prefixBits: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** The addresses of proxies whose word is taken for whom they stand for. */
export class TrustedProxies {
  readonly #addresses = new BlockList();

  /** Addresses, or networks such as `10.0.0.0/8`. @throws Error that names what is neither */
  constructor(addresses: readonly string[]) {
    for (const text of addresses) {
      const network = networkOf(text);
      if (network === null) {
        throw new Error(`'${text}' is neither an address nor a network such as 10.0.0.0/8 or fd00::/8`);
      }
      this.#addresses.addSubnet(network.address, network.prefixBits, network.family);
    }
  }

  includes(address: string): boolean {
    // Without the zone of a link-local address, which is the name of one of our network interfaces.
    const [plain = ''] = plainAddress(address).split('%');
    const version = isIP(plain);
    return version !== 0 && this.#addresses.check(plain, version === 4 ? 'ipv4' : 'ipv6');
  }
}

export function isAddressOrNetwork(text: string): boolean {
  return networkOf(text) !== null;
}

function networkOf(text: string): Network | null {
  const [address = '', prefix, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || rest.length > 0) return null;
  const bits = version === 4 ? 32 : 128;
  const prefixBits = prefix === undefined ? bits : Number(prefix);
  if (!/^\d{1,3}$/.test(prefix ?? '0') || prefixBits > bits) return null;
  return { address, prefixBits, family: version === 4 ? 'ipv4' : 'ipv6' };
}
