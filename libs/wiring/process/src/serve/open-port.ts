/** Opens the ports of a process: a refusal names the flag that changes it. */

/**
 * Opens a port.
 *
 * @param portFlag the flag that sets it, without the hyphen
 * @throws Error that says which port could not be opened, why, and the flag that changes it
 */
export async function openPort(
  listen: () => Promise<number>,
  port: number,
  portFlag: string,
): Promise<number> {
  try {
    return await listen();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    // gRPC wraps the error of the system and keeps its text only.
    if (text.includes('EADDRINUSE')) {
      throw new Error(`port ${port} is taken: choose another one with -${portFlag}`, { cause: error });
    }
    if (text.includes('EACCES')) {
      throw new Error(
        `port ${port} needs rights that this user lacks: choose another one with -${portFlag}`,
        {
          cause: error,
        },
      );
    }
    const addressFlag = portFlag.replace(/(admin|http|grpc)-listen-port$/, addressFlagOf);
    throw new Error(`port ${port} cannot be opened: ${text}: see -${portFlag} and -${addressFlag}`, {
      cause: error,
    });
  }
}

/** The admin port is opened at the address of HTTP. */
function addressFlagOf(_flag: string, kind: string): string {
  return `${kind === 'admin' ? 'http' : kind}-listen-address`;
}
