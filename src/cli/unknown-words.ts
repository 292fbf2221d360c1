import type { Command } from 'commander';
import { didYouMean } from '../base/suggestion.ts';
import { meantKeys } from './config/common-names.ts';

/** Names the options or subcommands that may have been meant: `--port` is `--amqp-port` or `--kafka-port`. */
export function explainUnknownWords(command: Command): void {
  command.showSuggestionAfterError(false).configureOutput({
    outputError(text, write) {
      const [, kind, word] = /^error: unknown (option '--|command ')([^'=]+)/.exec(text) ?? [];
      const plain = text.replace(/^error: /, 'sluice: ');
      if (word === undefined) write(plain);
      else
        write(
          plain.replace(
            /\n*$/,
            `${kind === "command '" ? commandLike(command, word) : optionsLike(command, word)}\n`,
          ),
        );
    },
  });
}

function optionsLike(command: Command, word: string): string {
  const known = command.options
    .filter(({ description }) => !description.endsWith('Not built in this version.'))
    .flatMap(({ long }) => (long == null ? [] : [long.slice('--'.length)]));
  const meant = meantKeys(word, known);
  return meant.length === 0 ? '' : ` (did you mean ${meant.map((each) => `--${each}`).join(' or ')}?)`;
}

function commandLike(command: Command, word: string): string {
  const known = command.commands.map((each) => each.name());
  const meant = didYouMean(word, known);
  // What the program itself has is more than a line: the help tells.
  if (meant !== '' || command.parent === null) return meant;
  return `; '${command.parent.name()} ${command.name()}' has ${known.join(', ')}`;
}
