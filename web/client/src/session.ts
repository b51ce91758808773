// Who a player is, kept by the page between visits.

/** Everything that is needed to go on as a participant. It holds a secret: keep it where only its player can read it. */
export interface Session {
  readonly battleId: string;
  readonly participantId: string;
  readonly username: string;
  /** The bearer token. */
  readonly token: string;
  /** Until when the token is valid, in milliseconds since 1970. */
  readonly expiresAtMs: number;
}

/** The session as text. */
export function writeSession(session: Session): string {
  return JSON.stringify(session);
}

/** The session in a text, or nothing when there is none in it. */
export function readSession(text: string | null): Session | undefined {
  if (!text) return undefined;
  try {
    const { battleId, participantId, username, token, expiresAtMs } = JSON.parse(text) as Record<string, unknown>;
    const texts = [battleId, participantId, username, token];
    if (texts.every((part) => typeof part === 'string') && typeof expiresAtMs === 'number') {
      return { battleId, participantId, username, token, expiresAtMs } as Session;
    }
  } catch {
    // Whatever it is, it is no session.
  }
  return undefined;
}
