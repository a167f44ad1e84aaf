-- Revert the runtime's tables; included by each service's 0001_runtime.

drop table crash;

drop table dead_letter;

drop table outbox;

drop table inbox;
