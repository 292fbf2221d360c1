import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ALL_SETTINGS, type Setting } from '../src/cli/config/settings.ts';

/** `npm run docs` writes docs/configuration.md from the table of settings; a test keeps the two the same. */
export const PAGE = new URL('../docs/configuration.md', import.meta.url);

const INTRODUCTION = `# Configuration

<!-- Written by \`npm run docs\` from src/cli/config/settings.ts. Change it there. -->

Sluice needs no configuration. What you want to change can be set in three places; a later one beats an earlier one:

1. a TOML file, named by \`--config FILE\` or by the environment variable \`SLUICE_CONFIG\`;
2. environment variables: \`SLUICE_\` and the key in capitals, \`SLUICE_AMQP_PORT=5673\`;
3. flags of \`sluice start\`: \`--amqp-port 5673\`.

The file is a list of keys and values; where a key takes several with commas between them, it takes a TOML list too:

\`\`\`toml
data-dir = "/var/lib/sluice"
memory-limit = "256MiB"
# For other machines too: over TLS, and not without.
host = "0.0.0.0"
amqp-port = "off"
amqps-port = 5671
kafka-port = "off"
kafkas-port = 9093
tls-cert = "/etc/sluice/server.pem"
tls-key = "/etc/sluice/server.key"
\`\`\`

\`sluice config\`, with the same flags, file and environment, prints the configuration that \`sluice start\` would use, and
where each value comes from. Its output can be used as a file.

A key that does not exist or a value that is not allowed ends the start with status 2 and a line for each mistake, which
names the place (\`sluice.toml:3\`, \`SLUICE_HOST\`, \`--host\`) and what is allowed there. That includes values which
are overridden elsewhere. Of variables that start with \`SLUICE_\`, those that Kubernetes makes for services
(\`SLUICE_SERVICE_HOST\`, \`SLUICE_AMQP_PORT=tcp://10.0.0.7:5672\`) are ignored.

Relative paths start at the directory in which \`sluice\` was started. KiB, MiB and GiB are powers of 1024; KB, MB and GB
mean the same.

## Settings
`;

function section(setting: Setting): string {
  const value = setting.format(setting.default);
  return `
### \`${setting.key}\`

${setting.description}${setting.unbuilt ? ' **Not built in this version**: only `off` is accepted.' : ''}

- Default: \`${value}\`
- Allowed: ${setting.allowed.replaceAll('<', '&lt;').replaceAll('>', '&gt;')}
- Environment: \`${setting.variable}\`; flag: \`${setting.flag}\`
`;
}

export function renderPage(): string {
  return INTRODUCTION + ALL_SETTINGS.map(section).join('');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, renderPage());
