/** The load generator without the rest of the command line: `node bench/run-generator.ts amqp --help`. */
import { benchCommand } from '../src/cli/bench/command.ts';

await benchCommand().parseAsync();
