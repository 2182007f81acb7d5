/** Files that the bundler copies, by their address. */
declare module "*?url" {
  const address: string;
  export default address;
}
