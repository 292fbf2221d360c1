import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SETTING_GROUPS } from '../src/cli/config/setting-guide.ts';
import { ALL_SETTINGS, type Setting, type SettingName } from '../src/cli/config/settings.ts';

/** `npm run docs` writes docs/configuration.md from the table of settings; a test keeps the two the same. */
export const PAGE = new URL('../docs/configuration.md', import.meta.url);

const INTRODUCTION = `# Configuration

<!-- Written by \`npm run docs\` from src/cli/config/settings/ and setting-guide.ts. Change it there. -->

Sluice runs without configuration. There are three places to set something. A later one wins:

1. A TOML file. \`--config FILE\` or the environment variable \`SLUICE_CONFIG\` names it.
2. Environment variables: \`SLUICE_\` and the key in capitals, as \`SLUICE_AMQP_PORT=5673\`.
3. Flags of \`sluice start\`, as \`--amqp-port 5673\`.

The file is a list of keys and values. It has no tables (\`[kafka]\`).

\`\`\`toml
data-dir = "/var/lib/sluice"
memory-limit = "256MiB"
consumer-timeout = "30m"
loopback-users = ["guest", "test"]
# For other machines too: over TLS, and not without.
host = "0.0.0.0"
amqp-port = "off"
amqps-port = 5671
kafka-port = "off"
kafkas-port = 9093
tls-cert = "/etc/sluice/server.pem"
tls-key = "/etc/sluice/server.key"
\`\`\`

\`sluice config\` takes the same flags, file and environment. It prints the configuration that \`sluice start\` would use,
and where each value is from. Its output is a valid file.

\`\`\`sh
npx sluice config --consumer-timeout 30m
\`\`\`

**Mistakes.** An unknown key or a wrong value ends the start with status 2. Each mistake gets a line with its place
(\`sluice.toml:3\`, \`SLUICE_HOST\`, \`--host\`) and what is allowed. Values that are overridden elsewhere are checked too.
Variables that Kubernetes makes for services (\`SLUICE_SERVICE_HOST\`, \`SLUICE_AMQP_PORT=tcp://10.0.0.7:5672\`) are ignored.

**Sizes** have a unit: \`64MiB\`. KiB, MiB and GiB are powers of 1024; KB, MB and GB mean the same. A plain number is bytes.

**Times** have a unit: \`500ms\`, \`90s\`, \`30m\`, \`12h\`, \`7d\`. A plain number is in the unit that is given with the setting.
Policies take the same units; there a plain number is milliseconds, as in RabbitMQ.

**Paths** that are relative start at the directory in which \`sluice\` was started.

## All settings
`;

function anchor(setting: Setting): string {
  return `[\`${setting.key}\`](#${setting.key})`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

interface Chapter {
  readonly title: string;
  readonly entries: readonly { readonly setting: Setting; readonly when: string }[];
}

function chapters(): Chapter[] {
  return SETTING_GROUPS.map(({ title, settings }) => ({
    title,
    entries: (Object.entries(settings) as [SettingName, string][]).map(([name, when]) => {
      const setting = ALL_SETTINGS.find((each) => each.name === name);
      if (setting === undefined)
        throw new Error(`src/cli/config/setting-guide.ts: there is no setting ${name}`);
      return { setting, when };
    }),
  }));
}

function index(all: readonly Chapter[]): string {
  const rows = all.flatMap(({ title, entries }) =>
    entries.map(
      ({ setting }) => `| ${anchor(setting)} | \`${setting.format(setting.default)}\` | ${title} |\n`,
    ),
  );
  return `\n| Setting | Default | Group |\n|---|---|---|\n${rows.join('')}`;
}

function section(setting: Setting, when: string): string {
  return `
### \`${setting.key}\`

${setting.description}${setting.unbuilt ? ' **Not built in this version**: only `off` is accepted.' : ''}

| | |
|---|---|
| Default | \`${setting.format(setting.default)}\` |
| Allowed | ${cell(setting.allowed)} |
| Change it | ${when} |
| Environment, flag | \`${setting.variable}\`, \`${setting.flag}\` |
`;
}

export function renderPage(): string {
  const all = chapters();
  const body = all.map(
    ({ title, entries }) =>
      `\n## ${title}\n${entries.map(({ setting, when }) => section(setting, when)).join('')}`,
  );
  return INTRODUCTION + index(all) + body.join('');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, renderPage());
