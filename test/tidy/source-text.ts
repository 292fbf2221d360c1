/** Comments and the contents of strings as spaces, so that places stay where they are. */
export function withoutText(source: string): string {
  const blank = (text: string): string => text.replace(/[^\n]/g, ' ');
  return source.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g, (text) =>
    text[0] === '/' ? blank(text) : `'${blank(text.slice(1, -1))}'`,
  );
}
