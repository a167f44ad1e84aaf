-- Revert the runtime's tables; included by each service's 0001_runtime.

drop table crash;

drop table dead_letter;

drop function runtime_partition(text, interval);

drop function runtime_partition_drop(text, text, timestamptz, integer);

drop function runtime_partition_make(text, text, date, integer);

drop function runtime_day_id(date);

drop function runtime_outbox_sweep(integer, interval);

drop function runtime_outbox_delete(uuid[]);

-- with their partitions
drop table outbox;

drop table inbox;
