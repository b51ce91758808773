use crate::event::{BattleCancelled, BattleFinished, BattleStarted};
use crate::testing::*;
use crate::{Actor, Command, Event, Phase, Refusal};

fn cancel(reason: &str) -> Command {
    Command::CancelBattle { reason: reason.to_owned() }
}

fn finished() -> Event {
    Event::BattleFinished(BattleFinished { finished_at: after_start(9) })
}

fn cancelled() -> Event {
    Event::BattleCancelled(BattleCancelled { cancelled_at: after_start(9), reason: String::new() })
}

#[test]
fn starting_begins_the_time_of_the_questions() {
    let expected = Event::BattleStarted(BattleStarted { started_at: after_start(700) });
    let after = given([created()]).at(700).when(Command::StartBattle).then([expected]);
    assert_eq!((after.battle.phase(), after.battle.started_at()), (Phase::Running, Some(after_start(700))));
}

#[test]
fn the_system_starts_and_finishes_as_an_admin_does() {
    let running = given([created()]).by(Actor::System).when(Command::StartBattle).accepted();
    let over = running.by(Actor::System).when(Command::FinishBattle).accepted();
    assert_eq!(over.battle.phase(), Phase::Finished);
}

#[test]
fn a_start_that_comes_second_is_refused() {
    given(duel()).by(Actor::System).when(Command::StartBattle).refused(Refusal::BattleStarted);
    given(and(duel(), [finished()])).when(Command::StartBattle).refused(Refusal::BattleFinished);
    given([created(), cancelled()]).when(Command::StartBattle).refused(Refusal::BattleCancelled);
}

#[test]
fn only_what_runs_can_be_finished() {
    let expected = Event::BattleFinished(BattleFinished { finished_at: after_start(60_000) });
    given(duel()).at(60_000).when(Command::FinishBattle).then([expected]);
    given([created()]).when(Command::FinishBattle).refused(Refusal::BattleNotStarted);
    given(and(duel(), [finished()]))
        .by(Actor::System)
        .when(Command::FinishBattle)
        .refused(Refusal::BattleFinished);
    given(and(duel(), [cancelled()])).when(Command::FinishBattle).refused(Refusal::BattleCancelled);
}

#[test]
fn a_battle_can_be_called_off_before_and_after_its_start() {
    let reason = "it rains".to_owned();
    let expected = Event::BattleCancelled(BattleCancelled { cancelled_at: after_start(1_000), reason });
    given([created()]).when(cancel(" it rains ")).then([expected.clone()]);
    let after = given(duel()).when(cancel("it rains")).then([expected]);
    assert_eq!(after.battle.phase(), Phase::Cancelled);
    after.when(cancel("")).refused(Refusal::BattleCancelled);
    given(and(duel(), [finished()])).when(cancel("")).refused(Refusal::BattleFinished);
}

#[test]
fn the_reason_is_one_short_line() {
    given([created()]).when(cancel(&"é".repeat(200))).accepted();
    given([created()]).when(cancel(&"é".repeat(201))).invalid(["reason"]);
    given([created()]).when(cancel("two\nlines")).invalid(["reason"]);
}

#[test]
fn players_do_nothing_more_once_the_scheduled_end_has_come() {
    let mut command = creation();
    if let Command::CreateBattle { ends_at, .. } = &mut command {
        *ends_at = Some(after_start(5_000));
    }
    let players = [joined(ADA, "Ada", balance(3, 0, 1)), joined(BOB, "Bob", balance(3, 0, 1))];
    let running = and(vec![created_by(&command), started()], players);
    for command in [join(EVE, "Eve"), answer(ADA, CAPITAL, "Oslo"), attack(ADA, BOB)] {
        given(running.clone()).at(4_999).when(command.clone()).accepted();
        given(running.clone()).at(5_000).when(command).refused(Refusal::BattleFinished);
    }
    assert_eq!(given(running.clone()).battle.ends_at(), Some(after_start(5_000)));
    given(running).at(5_000).by(Actor::System).when(Command::FinishBattle).accepted();
}
