// Start and finish, for whoever has the admin token.

import { type Battle, BattlePhase, type Nimaora, NimaoraError } from '@nimaora/client';
import { useState } from 'preact/hooks';
import { keptAdminToken } from '../kept.js';
import { say } from '../say.js';

export function HostControls({
  nimaora,
  battle,
  onChange,
}: {
  readonly nimaora: Nimaora;
  readonly battle: Battle;
  readonly onChange: (battle: Battle) => void;
}) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const token = keptAdminToken();
  const next =
    battle.phase === BattlePhase.CREATED ? 'Start' : battle.phase === BattlePhase.RUNNING ? 'Finish' : undefined;
  if (!token || !next) return null;
  const act = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const host = nimaora.host(token);
      if (next === 'Start') await host.startBattle(battle.id);
      else await host.finishBattle(battle.id);
      onChange({ ...battle, phase: next === 'Start' ? BattlePhase.RUNNING : BattlePhase.FINISHED });
    } catch (thrown) {
      setError(say.error(NimaoraError.from(thrown)));
    }
    setBusy(false);
  };
  return (
    <p class="row host-controls">
      <button type="button" class="primary" disabled={busy} onClick={() => void act()}>
        {next} the battle
      </button>
      {error && (
        <span class="error" role="alert">
          {error}
        </span>
      )}
    </p>
  );
}
