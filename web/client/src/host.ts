// Whoever makes battles and runs them, with the admin token.

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Calls } from './calls.js';
import type {
  CancelBattleResponse,
  CreateBattleRequestSchema,
  CreateBattleResponse,
  FinishBattleResponse,
  JudgeAnswerRequestSchema,
  JudgeAnswerResponse,
  RemoveParticipantResponse,
  StartBattleResponse,
} from './gen/nimaora/v1/command_service_pb.js';

import type { AttackRecord } from './gen/nimaora/v1/query_service_pb.js';

/** A new battle, but for the command id. */
export type NewBattle = Omit<MessageInitShape<typeof CreateBattleRequestSchema>, 'commandId' | '$typeName'>;
/** A verdict, but for the command id. */
export type NewVerdict = Omit<MessageInitShape<typeof JudgeAnswerRequestSchema>, 'commandId' | '$typeName'>;

export class Host {
  readonly #calls: Calls;

  constructor(calls: Calls, adminToken: string) {
    this.#calls = calls.as(() => adminToken);
  }

  createBattle(battle: NewBattle): Promise<CreateBattleResponse> {
    return this.#calls.command((commands, commandId) => commands.createBattle({ ...battle, commandId }));
  }

  startBattle(battleId: string): Promise<StartBattleResponse> {
    return this.#calls.command((commands, commandId) => commands.startBattle({ commandId, battleId }));
  }

  finishBattle(battleId: string): Promise<FinishBattleResponse> {
    return this.#calls.command((commands, commandId) => commands.finishBattle({ commandId, battleId }));
  }

  cancelBattle(battleId: string, reason = ''): Promise<CancelBattleResponse> {
    return this.#calls.command((commands, commandId) => commands.cancelBattle({ commandId, battleId, reason }));
  }

  removeParticipant(battleId: string, participantId: string, reason = ''): Promise<RemoveParticipantResponse> {
    return this.#calls.command((commands, commandId) =>
      commands.removeParticipant({ commandId, battleId, participantId, reason }),
    );
  }

  /** The attacks on a participant after one position and up to another one at least, oldest first. */
  async attacks(
    battleId: string,
    participantId: string,
    afterPosition = 0n,
    minPosition = 0n,
  ): Promise<AttackRecord[]> {
    const answer = await this.#calls.query((queries) =>
      queries.listAttacks({ battleId, participantId, afterPosition, minPosition }),
    );
    return answer.attacks;
  }

  judgeAnswer(verdict: NewVerdict): Promise<JudgeAnswerResponse> {
    return this.#calls.command((commands, commandId) => commands.judgeAnswer({ ...verdict, commandId }));
  }
}
