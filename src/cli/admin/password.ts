import { createInterface } from 'node:readline';
import { usageError } from './command.ts';

const ENTER = /[\r\n]/;
const CONTROL_C = '\u0003';
const CONTROL_D = '\u0004';
const ERASE = /[\u007f\b]/;

/** A new password, from standard input's first line, or asked for twice on the terminal, where it is not shown. */
export async function newPassword(user: string, isPiped: boolean): Promise<string> {
  if (isPiped) return await firstLine();
  if (!process.stdin.isTTY) {
    throw usageError('there is no terminal to ask for the password on; give it with --password-stdin');
  }
  const password = await ask(`Password for user '${user}': `);
  if (password === '') throw usageError('a password cannot be empty');
  if ((await ask('The same again: ')) !== password) throw usageError('these were two different passwords');
  return password;
}

async function firstLine(): Promise<string> {
  for await (const line of createInterface(process.stdin)) {
    if (line !== '') return line;
    break;
  }
  throw usageError('--password-stdin: standard input has no password in its first line');
}

/** Prompts on standard error, so that standard output stays what the command prints. */
async function ask(prompt: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(prompt);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  stdin.resume();
  try {
    return await typed();
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}

function typed(): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let password = '';
  const onData = (text: string): void => {
    for (const character of text) {
      if (ENTER.test(character)) {
        process.stdin.off('data', onData);
        resolve(password);
        return;
      }
      if (character === CONTROL_C || character === CONTROL_D) {
        process.stdin.off('data', onData);
        reject(new Error('given up; nothing was changed'));
        return;
      }
      password = ERASE.test(character) ? [...password].slice(0, -1).join('') : password + character;
    }
  };
  process.stdin.on('data', onData);
  return promise;
}
