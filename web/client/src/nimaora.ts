// Where everything begins: a server, and who one is there.

import { timestampMs } from '@bufbuild/protobuf/wkt';
import { Calls, type Options } from './calls.js';
import type { Battle, GetLeaderboardResponse, Question } from './gen/nimaora/v1/query_service_pb.js';
import { BattlePhase } from './gen/nimaora/v1/types_pb.js';
import { Host } from './host.js';
import { Player } from './player.js';
import { Realtime } from './realtime.js';
import type { Session } from './session.js';

/** The battles that a list has at most. */
const LIST_MAX = 50;

export class Nimaora {
  readonly #calls: Calls;

  constructor(options: Options = {}) {
    this.#calls = new Calls(options);
  }

  /** The server's time in milliseconds since 1970, to half a second or better. */
  get serverNowMs(): number {
    return this.#calls.serverNowMs;
  }

  /**
   * A battle by its id, a UUID, or by its join code. With the position that a command on this battle has answered, the battle is at
   * least as it was then.
   */
  async battle(idOrCode: string, minPosition = 0n): Promise<Battle> {
    const battle = UUID.test(idOrCode)
      ? ({ case: 'battleId', value: idOrCode } as const)
      : ({ case: 'joinCode', value: idOrCode } as const);
    const answer = await this.#calls.query((queries) => queries.getBattle({ battle, minPosition }));
    if (!answer.battle) throw new Error('the answer holds no battle');
    return answer.battle;
  }

  /** The newest battles, in one phase or in all. */
  async battles(phase: BattlePhase = BattlePhase.UNSPECIFIED, pageSize = LIST_MAX): Promise<Battle[]> {
    return (await this.#calls.query((queries) => queries.listBattles({ phase, pageSize }))).battles;
  }

  /** The questions that are open or were. */
  async questions(battleId: string): Promise<Question[]> {
    return (await this.#calls.query((queries) => queries.listQuestions({ battleId }))).questions;
  }

  /** The top of the board. */
  leaderboard(battleId: string, limit = 100): Promise<GetLeaderboardResponse> {
    return this.#calls.query((queries) => queries.getLeaderboard({ battleId, limit }));
  }

  /** Takes part in a battle. Keep `player.session` to go on after a reload. */
  async join(battleId: string, username: string): Promise<Player> {
    const joined = await this.#calls.command((commands, commandId) => commands.join({ commandId, battleId, username }));
    const session: Session = {
      battleId,
      participantId: joined.participantId,
      username: joined.username,
      token: joined.token,
      expiresAtMs: joined.tokenExpiresAt ? timestampMs(joined.tokenExpiresAt) : 0,
    };
    return new Player(this.#calls, session, joined.position);
  }

  /** Goes on with a session that was kept. */
  resume(session: Session): Player {
    return new Player(this.#calls, session);
  }

  /** Follows a battle without taking part; with `attacks`, every attack is told, too. */
  watch(battleId: string, { attacks = false } = {}): Realtime {
    return new Realtime(this.#calls, battleId, undefined, attacks);
  }

  /** Makes and runs battles, with the admin token. */
  host(adminToken: string): Host {
    return new Host(this.#calls, adminToken);
  }
}

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
