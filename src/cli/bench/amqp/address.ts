/** Where the broker is, as an AMQP URI says it: `amqp://user:password@host:port/vhost`. */
export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly virtualHost: string;
}

export function parseAddress(text: string): BrokerAddress {
  if (!URL.canParse(text))
    throw new Error(`--url ${text} is not a URL, such as amqp://guest:guest@127.0.0.1:5672/`);
  const url = new URL(text);
  if (url.protocol !== 'amqp:') throw new Error(`--url ${text}: the scheme must be amqp:`);
  // By the URI specification of RabbitMQ `amqp://host/` names the vhost "" and `amqp://host` the default one; people who
  // write the slash mean the default vhost, too.
  const path = decodeURIComponent(url.pathname.slice(1));
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 5672 : Number(url.port),
    user: url.username === '' ? 'guest' : decodeURIComponent(url.username),
    password: url.password === '' ? 'guest' : decodeURIComponent(url.password),
    virtualHost: path === '' ? '/' : path,
  };
}
