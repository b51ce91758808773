SELECT participant_id AS uuid, id FROM battle_participants WHERE participant_id = ANY($1)
