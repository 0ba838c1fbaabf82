/** A file of Lua is a text; whoever builds or runs this package makes it one. */
declare module '*.lua' {
  const text: string;
  export default text;
}
