// A battle, for those who play it.

import { type Battle, BattlePhase, type BoardLine, type Nimaora, NimaoraError } from '@nimaora/client';
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Game, type State } from '../game.js';
import { keptName } from '../kept.js';
import { Alerts } from '../parts/alerts.js';
import { Board } from '../parts/board.js';
import { Countdown } from '../parts/countdown.js';
import { Frame } from '../parts/frame.js';
import { Loading, useBattle } from '../parts/load.js';
import { NextBattle } from '../parts/next.js';
import { Notes } from '../parts/notes.js';
import { Questions } from '../parts/questions.js';
import { LinkSign, OnlineSign, Standing } from '../parts/standing.js';
import { hrefOf } from '../route.js';
import { say } from '../say.js';
import { useStore } from '../store.js';
import { closesAt, nextOf } from '../times.js';

export function BattlePage({ nimaora, name }: { readonly nimaora: Nimaora; readonly name: string }) {
  const [loaded, again] = useBattle(nimaora, name);
  if (!loaded || 'error' in loaded) return <Loading loaded={loaded} again={again} />;
  return <Play key={loaded.battle.id} nimaora={nimaora} battle={loaded.battle} />;
}

function Play({ nimaora, battle }: { readonly nimaora: Nimaora; readonly battle: Battle }) {
  const game = useMemo(() => new Game(nimaora, battle), [nimaora, battle]);
  useEffect(() => {
    game.open();
    return () => game.close();
  }, [game]);
  const state = useStore(game.store);
  const dismiss = useCallback((eventId: string) => game.dismiss(eventId), [game]);
  const { session, board, alerts, holdings } = state;
  const running = state.battle.phase === BattlePhase.RUNNING;
  const next = nextOf(state.battle);
  const place = rankOf(state);
  const armed = (holdings?.arrows ?? 0) > 0;
  const attack = running && session && !state.out ? (line: BoardLine) => game.attack(line) : undefined;
  const strikeBack = (attacker: string) => {
    const line = [...(board?.lines ?? []), ...state.near].find(({ username }) => username === attacker);
    return attack && armed && line && line.points > 0 ? () => void attack(line) : undefined;
  };
  return (
    <Frame
      title={state.battle.title}
      aside={
        <>
          {state.online && <OnlineSign online={state.online} />}
          <LinkSign link={state.link} />
        </>
      }
    >
      <Alerts alerts={alerts} onDismiss={dismiss} strikeBack={strikeBack} />
      <Notes notes={state.notes} />
      <div class="battle-head">
        <h1>{state.battle.title}</h1>
        <span class={`phase phase-${BattlePhase[state.battle.phase].toLowerCase()}`}>
          {say.phase(state.battle.phase)}
        </span>
        {next && <Countdown name={next.name} until={next.at} now={game.now} />}
      </div>
      <div class="arena">
        <div class="side">
          {session ? <Own game={game} state={state} /> : <Join game={game} state={state} />}
          {session && state.battle.phase === BattlePhase.FINISHED && place !== undefined && (
            <p class="card" role="status">
              You came <strong>{say.place(place, board?.total ?? place)}</strong>.
            </p>
          )}
          {isOver(state.battle) && <NextBattle nimaora={nimaora} after={state.battle} page="battle" />}
        </div>
        <section class="card board-card" aria-labelledby="board-title">
          <header>
            <h2 id="board-title">{isOver(state.battle) ? 'Final standings' : 'Leaderboard'}</h2>
            {attack && <p class="quiet small">{armed ? 'Aim at somebody.' : 'Right answers earn arrows.'}</p>}
          </header>
          <Board
            lines={board?.lines ?? []}
            near={state.near}
            total={board?.total ?? 0}
            self={session?.participantId}
            onAttack={attack}
            armed={armed}
          />
        </section>
      </div>
    </Frame>
  );
}

/** Letters of a name that the form takes, as a browser counts them: one that counts more for a letter takes none off a name. */
const NAME_MAX = 100;

function isOver({ phase }: Battle): boolean {
  return phase === BattlePhase.FINISHED || phase === BattlePhase.CANCELLED;
}

function rankOf({ session, board, near, holdings }: State): number | undefined {
  const own = [...(board?.lines ?? []), ...near].find(({ participantId }) => participantId === session?.participantId);
  return own?.rank ?? holdings?.rank;
}

function Own({ game, state }: { readonly game: Game; readonly state: State }) {
  const { session, battle, out } = state;
  return (
    <>
      <p class="who">
        You play as <strong>{session?.username}</strong>
      </p>
      <Standing holdings={state.holdings} rank={rankOf(state)} username={session?.username ?? ''} />
      {out ? (
        <Out game={game} error={out} />
      ) : battle.phase === BattlePhase.RUNNING ? (
        <Questions
          questions={state.questions}
          total={battle.questions}
          answers={state.answers}
          closesAt={(question) => closesAt(battle, question)}
          now={game.now}
          onAnswer={(question, text) => game.answer(question, text)}
        />
      ) : (
        battle.phase === BattlePhase.CREATED && (
          <p class="card">
            You are in. The questions come with the start; others join with the code {battle.joinCode}.
          </p>
        )
      )}
    </>
  );
}

function Out({ game, error }: { readonly game: Game; readonly error: NimaoraError }) {
  const elsewhere = error.reason === 'SESSION_REPLACED';
  return (
    <section class="card" role="alert">
      <p>{say.error(error)}</p>
      <p class="row">
        {elsewhere && (
          <button type="button" class="primary" onClick={() => void game.signInAgain()}>
            Play here
          </button>
        )}
        {!elsewhere && (
          <button type="button" class="primary" onClick={() => game.startOver()}>
            Join as somebody else
          </button>
        )}
      </p>
    </section>
  );
}

function Join({ game, state }: { readonly game: Game; readonly state: State }) {
  const { battle } = state;
  const [name, setName] = useState(keptName);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // On a phone the keyboard would cover the board.
    if (matchMedia('(pointer: fine)').matches) field.current?.focus({ preventScroll: true });
  }, []);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  if (isOver(battle)) return <p class="card">This battle is over.</p>;
  const join = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await game.join(name.trim());
    } catch (thrown) {
      setError(say.error(NimaoraError.from(thrown)));
    }
    setBusy(false);
  };
  return (
    <form
      class="card join"
      onSubmit={(event) => {
        event.preventDefault();
        void join();
      }}
    >
      <h2>Take part</h2>
      <p class="quiet small">
        Right answers earn points, arrows and shields. An arrow takes points from somebody else.
      </p>
      <label for="name">Your name</label>
      <input
        id="name"
        ref={field}
        value={name}
        maxLength={NAME_MAX}
        onInput={(event) => setName(event.currentTarget.value)}
        autocomplete="nickname"
        spellcheck={false}
        aria-describedby={error ? 'name-error' : undefined}
        aria-invalid={error ? 'true' : undefined}
      />
      {error && (
        <p id="name-error" class="error" role="alert">
          {error}
        </p>
      )}
      <button type="submit" class="primary" disabled={busy || name.trim() === ''}>
        {busy ? 'Joining …' : 'Join'}
      </button>
      <a class="quiet small" href={hrefOf({ page: 'watch', battle: battle.joinCode })}>
        Only watch
      </a>
    </form>
  );
}
