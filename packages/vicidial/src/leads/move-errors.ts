import { isMarked, publicMessage } from "@reinstate/batch-core";

const marker = Symbol.for("reinstate.vicidial.move-refused");

/** Leads cannot be moved safely between these tables, such as for a missing column, a missing unique key or a trigger. */
export class MoveRefused extends Error {
  readonly [marker] = true;
  readonly [publicMessage] = true;

  static is(value: unknown): value is MoveRefused {
    return isMarked(value, marker);
  }
}

/** A move that wrote nothing and can be tried again in a moment: the tables are busy, or the database is unreachable. */
export class RetryableMove extends Error {
  readonly [publicMessage] = true;
  /** Makes the batch retry the chunk. */
  readonly retryable = true;
}

/** A fault of the VICIdial database whose message can be shown to a caller. `cause` has the words of the server. */
export class VicidialDatabaseFault extends Error {
  readonly [publicMessage] = true;
}

const allOrNothingMarker = Symbol.for("reinstate.vicidial.all-or-nothing-refused");

/** An all-or-nothing move that is impossible, because of the leads that it lists. Both tables are as before. */
export class AllOrNothingRefused extends Error {
  readonly [allOrNothingMarker] = true;
  /** Ids that are not in the source. */
  readonly missing: readonly number[];
  /** By lead id: why the target cannot hold a lead. */
  readonly unfit: ReadonlyMap<number, string>;

  constructor(missing: readonly number[], unfit: ReadonlyMap<number, string> = new Map()) {
    super("Leads of this move are not in the source, or do not fit into the target");
    this.missing = missing;
    this.unfit = unfit;
  }

  static is(value: unknown): value is AllOrNothingRefused {
    return isMarked(value, allOrNothingMarker);
  }
}

const damagedMarker = Symbol.for("reinstate.vicidial.tables-damaged");

/** A lead table is damaged, as MyISAM tables can be after a server crash. No lead moves until an operator runs REPAIR TABLE. */
export class TablesDamaged extends Error {
  readonly [damagedMarker] = true;
  readonly [publicMessage] = true;
  /** True if leads may have been moved before the damage was found. */
  readonly written: boolean;

  constructor(message: string, written: boolean) {
    super(message);
    this.written = written;
  }

  static is(value: unknown): value is TablesDamaged {
    return isMarked(value, damagedMarker);
  }
}
