SELECT p.participant_id, p.id FROM json_each(?1) AS wanted JOIN battle_participants AS p ON p.participant_id = wanted.value
