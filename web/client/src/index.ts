// The client of Nimaora for browsers and Node: commands and queries over gRPC-web, boards and alerts over a WebSocket.

export { timestampMs } from '@bufbuild/protobuf/wkt';
export { Code } from '@connectrpc/connect';
export type { Alert } from './alerts.js';
export type { Options } from './calls.js';
export type { Listener as EventListener } from './emitter.js';
export { type FieldViolation, NimaoraError, type Reason } from './errors.js';
export type {
  AttackResponse,
  CreateBattleResponse,
  SubmitAnswerResponse,
} from './gen/nimaora/v1/command_service_pb.js';
export type {
  AttackRecord,
  Battle,
  GetAroundRankResponse,
  GetLeaderboardResponse,
  GetRankResponse,
  LeaderboardEntry,
  Participant,
  Question,
} from './gen/nimaora/v1/query_service_pb.js';
export { type Balance, BattlePhase, QuestionKind, type Rules, Verdict } from './gen/nimaora/v1/types_pb.js';
export { Host, type NewBattle, type NewVerdict } from './host.js';
export { Nimaora } from './nimaora.js';
export { Player, type PlayerEvents } from './player.js';
export {
  type Board,
  type BoardLine,
  type Holdings,
  type Landed,
  type Link,
  type Online,
  Realtime,
  type RealtimeEvents,
} from './realtime.js';
export { RETRY, type RetryPolicy } from './retry.js';
export { readSession, type Session, writeSession } from './session.js';
