/*
 * How a posting reaches the ledger, small enough to try every order in which things can happen.
 *
 * Two workers take requests, decide them in memory and write them to one PostgreSQL, as
 * casino_pam/teller.py and wallet/ledger.py do. Spin walks through every interleaving of their
 * steps, with every fault at every point, and checks the promises (MUST) on the way.
 *
 * Every guard of the design is here once, under "#ifndef NO_...". Compiled with -DNO_READ_ORDER,
 * say, the model does without that guard. docs/proof.md tells what then goes wrong.
 *
 * How to read Promela: "if" and "do" pick any branch whose first statement can be executed, and
 * wait while there is none; "->" is only a semicolon; "atomic" and "d_step" are steps that nobody
 * can interrupt; an "inline" is pasted where it is used.
 */

#define NOBODY     9    /* an empty place in a batch */
#define WALLETS    2    /* both belong to one player */
#define REFERENCES 4
#define COMMANDS   3
#define WON        3    /* the reference of a win that was paid before the story begins */
#define LATE       2    /* the transaction of a worker that did not wait for its end */

/* How many faults may strike in one story: a cut connection, a lost answer, a deadline. */
#ifndef FAULTS
#define FAULTS 2
#endif

/* The promises by number; -DONLY=n looks at one of them and closes an eye to the others. */
#ifndef ONLY
#define ONLY 0
#endif
#define MUST(promise, condition) assert((ONLY != 0 && ONLY != promise) || (condition))
#define BALANCES_ARE_SUMS    1
#define NEVER_NEGATIVE       2
#define MOVED_ONCE           3
#define CLOSED_ONCE          4
#define ANSWER_STANDS        5
#define ANSWERS_ARE_EQUAL    6
#define NO_FALSE_REFUSAL     7
#define LOST_TO_SOMEBODY     8
#define ENDS_AS_IT_SHOULD    9
#define NAME_IS_SPENT        10
#define HOLD_IS_ENDED        11

mtype = { bet, deposit, hold, settle, release, rollback, take_back };   /* kinds of commands */
mtype = { posted, refused, void };                                      /* states of a row */
mtype = { rolled_back, already_ended, reference_reused, unknown };      /* further answers */
mtype = { updated, inserted };                                          /* how far a transaction is */
#define none 0                                                          /* no row, no answer yet */
#define idle 0                                                          /* no transaction */

/* --- the requests: set once, by the story ------------------------------------------------- */

typedef Command {
    mtype kind;
    byte wallet;
    byte amount;
    byte reference;   /* with the kind in it: each number is one (source, kind, reference) */
    byte original;    /* the reference that a rollback, a settlement or a release names */
    byte after;       /* sent only once this command was answered; its own number means at once */
    byte waiting;     /* copies on their way, each for whichever worker takes it */
    mtype told;       /* what the first copy was answered */
    byte told_cash;
};
Command command[COMMANDS];
byte unanswered;      /* copies without an answer; a 503 is none, its client sends the copy again */
byte faults = FAULTS;
bool begun;           /* somebody has taken the first request */

/* --- PostgreSQL: what is committed -------------------------------------------------------- */

typedef Wallet {
    byte cash;
    byte held;
    byte version;
    bool locked;        /* by a transaction that has updated it and not ended */
    short booked_cash;  /* for the promises only: the sums of all rows */
    short booked_held;
};
Wallet wallet[WALLETS];

typedef Row {
    mtype status;
    byte wallet;
    byte cash;          /* what was left after it; the receipt says so */
    byte amount;
    byte moved;         /* for the promises only: how many rows moved money under this reference */
    byte closers;       /* how many rows undo or end this one */
};
Row ledger[REFERENCES];

/* --- a worker's memory: what it has read, and what it wants to write ---------------------- */

typedef Transaction {
    mtype reached;
    byte cash[WALLETS];
    byte held[WALLETS];
    byte version[WALLETS];
    byte cash_seen[WALLETS];
    byte held_seen[WALLETS];
    byte version_seen[WALLETS];
    bool touched[WALLETS];
    bool matched[WALLETS];
    mtype status[REFERENCES];   /* the new rows */
    byte home[REFERENCES];
    byte left[REFERENCES];
    byte amount[REFERENCES];
    byte closes[REFERENCES];    /* how many new rows close this one */
    bool twice;                 /* two new rows under one reference */
};
Transaction tx[3];

/* The rows as a worker knows them: as it read them, and those it added itself. */
typedef Book {
    mtype status[REFERENCES];
    byte wallet[REFERENCES];
    byte cash[REFERENCES];
    byte amount[REFERENCES];
    byte closers[REFERENCES];
};
Book book[2];
#ifdef NO_LOOKING_AGAIN
Book old[2];
#endif

/* Whether anybody else has committed since this worker began to look. */
bool others_moved[2];

/* --- reading ------------------------------------------------------------------------------ */

inline read_wallets() {
    d_step {
        for (w : 0 .. WALLETS - 1) {
            tx[me].cash[w] = wallet[w].cash;
            tx[me].cash_seen[w] = wallet[w].cash;
            tx[me].held[w] = wallet[w].held;
            tx[me].held_seen[w] = wallet[w].held;
            tx[me].version[w] = wallet[w].version;
            tx[me].version_seen[w] = wallet[w].version
        }
        w = 0;
        printf("worker %d reads the wallets: cash %d and %d\n", me, wallet[0].cash, wallet[1].cash)
    }
}

inline copy_row(status_, wallet_, cash_, amount_, closers_) {
    book[me].status[r] = status_;
    book[me].wallet[r] = wallet_;
    book[me].cash[r] = cash_;
    book[me].amount[r] = amount_;
    book[me].closers[r] = closers_
}

inline read_rows() {
    d_step {
        for (r : 0 .. REFERENCES - 1) {
#ifdef NO_LOOKING_AGAIN
            /* It posts anew what it had decided: it trusts the rows that it read the first time. */
            if
            :: !blind ->
                old[me].status[r] = ledger[r].status;
                old[me].wallet[r] = ledger[r].wallet;
                old[me].cash[r] = ledger[r].cash;
                old[me].amount[r] = ledger[r].amount;
                old[me].closers[r] = ledger[r].closers
            :: else
            fi;
            copy_row(old[me].status[r], old[me].wallet[r], old[me].cash[r], old[me].amount[r], old[me].closers[r])
#else
            copy_row(ledger[r].status, ledger[r].wallet, ledger[r].cash, ledger[r].amount, ledger[r].closers)
#endif
        }
        r = 0;
        printf("worker %d reads the rows\n", me)
    }
}

inline forget_rows() {
    for (r : 0 .. REFERENCES - 1) {
        book[me].status[r] = none;
        book[me].wallet[r] = 0;
        book[me].cash[r] = 0;
        book[me].amount[r] = 0;
        book[me].closers[r] = 0;
    }
    r = 0;
}

/* --- deciding: in memory, one command after the other ------------------------------------- */

/* A new row takes its wallet to the next version. */
inline add_row(reference_, status_, wallet_, amount_) {
    if
    :: tx[me].status[reference_] != none -> tx[me].twice = true
    :: else
    fi;
    tx[me].touched[wallet_] = true;
    tx[me].version[wallet_]++;
    tx[me].status[reference_] = status_;
    tx[me].home[reference_] = wallet_;
    tx[me].left[reference_] = tx[me].cash[wallet_];
    tx[me].amount[reference_] = amount_;
#ifndef NO_TWINS_IN_MEMORY
    /* The next command of the batch sees this row as if it had been read. */
    book[me].status[reference_] = status_;
    book[me].wallet[reference_] = wallet_;
    book[me].cash[reference_] = tx[me].cash[wallet_];
    book[me].amount[reference_] = amount_;
#endif
}

inline close_row(reference_) {
    tx[me].closes[reference_]++;
#ifndef NO_TWINS_IN_MEMORY
    book[me].closers[reference_]++;
#endif
}

#define KIND   command[c].kind
#define NAME   command[c].reference
#define FIRST  command[c].original
#define AMOUNT command[c].amount

/* The reference is spent: the row of the first time is the answer. */
inline repeat() {
    repeats[i] = true;
    if
    :: KIND == bet && (book[me].status[NAME] == void || book[me].closers[NAME] > 0) -> answer[i] = rolled_back
    :: else ->
        if
        :: KIND == bet && book[me].wallet[NAME] != command[c].wallet -> answer[i] = reference_reused
        :: else -> answer[i] = book[me].status[NAME]; left[i] = book[me].cash[NAME]
        fi
    fi
}

/* Money leaves the cash: for a game, or set aside for a withdrawal. */
inline take_money() {
    if
    :: tx[me].cash[on[i]] >= AMOUNT ->
        tx[me].cash[on[i]] = tx[me].cash[on[i]] - AMOUNT;
        if
        :: KIND == hold -> tx[me].held[on[i]] = tx[me].held[on[i]] + AMOUNT
        :: else
        fi;
        add_row(NAME, posted, on[i], AMOUNT);
        answer[i] = posted
    :: else ->
#ifndef NO_REFUSAL_REMEMBERED
        add_row(NAME, refused, on[i], AMOUNT);
#endif
        answer[i] = refused
    fi;
    left[i] = tx[me].cash[on[i]]
}

/* A bet is undone by its stored row; without one its name is spent, so that it can never come. */
inline undo_bet() {
    if
    :: book[me].status[FIRST] == posted && book[me].closers[FIRST] == 0 ->
        on[i] = book[me].wallet[FIRST];
        tx[me].cash[on[i]] = tx[me].cash[on[i]] + book[me].amount[FIRST];
        close_row(FIRST);
        add_row(NAME, posted, on[i], book[me].amount[FIRST]);
        answer[i] = posted
    :: else ->
        add_row(NAME, void, on[i], 0);
#ifndef NO_VOID_ROW
        if
        :: book[me].status[FIRST] == none -> add_row(FIRST, void, on[i], 0)
        :: else
        fi;
#endif
        answer[i] = void
    fi;
    left[i] = tx[me].cash[on[i]]
}

/* A win is taken back if its money is still there. Such a refusal leaves no row. */
inline undo_win() {
    if
    :: book[me].closers[FIRST] > 0 -> answer[i] = already_ended
    :: else ->
        if
        :: tx[me].cash[on[i]] < book[me].amount[FIRST] -> answer[i] = refused
        :: else ->
            tx[me].cash[on[i]] = tx[me].cash[on[i]] - book[me].amount[FIRST];
            close_row(FIRST);
            add_row(NAME, posted, on[i], book[me].amount[FIRST]);
            answer[i] = posted;
            left[i] = tx[me].cash[on[i]]
        fi
    fi
}

/* A held withdrawal is paid out, or given back. Refusals leave no row. */
inline end_hold() {
    if
    :: book[me].status[FIRST] != posted -> answer[i] = unknown
    :: book[me].status[FIRST] == posted && book[me].closers[FIRST] > 0 -> answer[i] = already_ended
    :: else ->
        tx[me].held[on[i]] = tx[me].held[on[i]] - book[me].amount[FIRST];
        if
        :: KIND == release -> tx[me].cash[on[i]] = tx[me].cash[on[i]] + book[me].amount[FIRST]
        :: else
        fi;
        close_row(FIRST);
        add_row(NAME, posted, on[i], book[me].amount[FIRST]);
        answer[i] = posted;
        left[i] = tx[me].cash[on[i]]
    fi
}

inline decide() {
    d_step {
        for (i : 0 .. 1) {
            c = batch[i];
            if
            :: c == NOBODY
            :: else ->
                on[i] = command[c].wallet;
                if
                :: book[me].status[NAME] != none -> repeat()
                :: else ->
                    if
                    :: KIND == bet || KIND == hold -> take_money()
                    :: KIND == deposit ->
                        tx[me].cash[on[i]] = tx[me].cash[on[i]] + AMOUNT;
                        add_row(NAME, posted, on[i], AMOUNT);
                        answer[i] = posted;
                        left[i] = tx[me].cash[on[i]]
                    :: KIND == rollback -> undo_bet()
                    :: KIND == take_back -> undo_win()
                    :: KIND == settle || KIND == release -> end_hold()
                    fi
                fi;
                printf("worker %d decides on %e %d: %e\n", me, KIND, c, answer[i])
            fi
        }
        i = 0; c = 0;
        forget_rows()
    }
}

/* --- writing ------------------------------------------------------------------------------ */

#define FREE(t, w) (!tx[t].touched[w] || !wallet[w].locked)

/* UPDATE ... WHERE version = the version seen. It waits for whoever holds one of its wallets. */
inline update(t) {
    atomic {
        FREE(t, 0) && FREE(t, 1);
        for (w : 0 .. WALLETS - 1) {
            tx[t].matched[w] = tx[t].touched[w];
#ifndef NO_VERSION_CHECK
            tx[t].matched[w] = tx[t].touched[w] && wallet[w].version == tx[t].version_seen[w];
#endif
            wallet[w].locked = wallet[w].locked || tx[t].matched[w];
        }
        w = 0;
        tx[t].reached = updated;
        if
        :: tx[t].touched[0] == tx[t].matched[0] && tx[t].touched[1] == tx[t].matched[1] ->
            printf("transaction %d: UPDATE\n", t)
        :: else -> printf("transaction %d: UPDATE finds a stale wallet\n", t)
        fi
    }
}

#define MINE(t, r)   (tx[t].status[r] != none && tx[t].matched[tx[t].home[r]])
#define OTHERS(t, r) (tx[t].reached == inserted && MINE(t, r))
#ifndef NO_UNIQUE_REFERENCE
#define CLASH(t, u, r) (MINE(t, r) && OTHERS(u, r))
#define SPENT(t, r)    (MINE(t, r) && (ledger[r].status != none || tx[t].twice))
#else
#define CLASH(t, u, r) false
#define SPENT(t, r)    false
#endif
#define WAITS(t, u) (CLASH(t, u, 0) || CLASH(t, u, 1) || CLASH(t, u, 2) || CLASH(t, u, 3))

/* What a unique index of PostgreSQL says to the new rows. */
inline violates(t) {
    d_step {
        violated = false;
        for (r : 0 .. REFERENCES - 1) {
            violated = violated || SPENT(t, r);
#ifndef NO_CLOSES_UNIQUE
            violated = violated || (tx[t].closes[r] > 0 && ledger[r].closers + tx[t].closes[r] > 1);
#endif
        }
        r = 0;
#ifndef NO_STATEMENT_NUMBER
        /* Each row has the next number of its wallet. Whoever saw an old version finds the number taken. */
        for (w : 0 .. WALLETS - 1) {
            violated = violated || (tx[t].matched[w] && wallet[w].version != tx[t].version_seen[w])
        }
        w = 0;
#endif
        if
        :: violated -> printf("transaction %d: INSERT is refused by a unique index\n", t)
        :: else -> printf("transaction %d: INSERT\n", t)
        fi
    }
}

inline forget(t) {
    for (w : 0 .. WALLETS - 1) {
        tx[t].cash[w] = 0; tx[t].cash_seen[w] = 0;
        tx[t].held[w] = 0; tx[t].held_seen[w] = 0;
        tx[t].version[w] = 0; tx[t].version_seen[w] = 0;
        tx[t].touched[w] = false; tx[t].matched[w] = false
    }
    w = 0;
    for (r : 0 .. REFERENCES - 1) {
        tx[t].status[r] = none;
        tx[t].home[r] = 0;
        tx[t].left[r] = 0;
        tx[t].amount[r] = 0;
        tx[t].closes[r] = 0
    }
    r = 0;
    tx[t].twice = false;
    tx[t].reached = idle
}

inline unlock(t) {
    for (w : 0 .. WALLETS - 1) {
        wallet[w].locked = wallet[w].locked && !tx[t].matched[w]
    }
    w = 0
}

/* ROLLBACK, by the worker or because PostgreSQL lost it. */
inline abort(t) {
    printf("transaction %d ends without COMMIT\n", t);
    unlock(t);
    forget(t)
}

/* The worker turns to other requests; what it has sent may still be carried out, or may not. */
inline hand_over() {
    printf("worker %d waits no longer; its transaction goes on as number 2\n", me);
    for (w : 0 .. WALLETS - 1) {
        tx[LATE].cash[w] = tx[me].cash[w]; tx[LATE].cash_seen[w] = tx[me].cash_seen[w];
        tx[LATE].held[w] = tx[me].held[w]; tx[LATE].held_seen[w] = tx[me].held_seen[w];
        tx[LATE].version[w] = tx[me].version[w]; tx[LATE].version_seen[w] = tx[me].version_seen[w];
        tx[LATE].touched[w] = tx[me].touched[w]; tx[LATE].matched[w] = tx[me].matched[w]
    }
    w = 0;
    for (r : 0 .. REFERENCES - 1) {
        tx[LATE].status[r] = tx[me].status[r];
        tx[LATE].home[r] = tx[me].home[r];
        tx[LATE].left[r] = tx[me].left[r];
        tx[LATE].amount[r] = tx[me].amount[r];
        tx[LATE].closes[r] = tx[me].closes[r]
    }
    r = 0;
    tx[LATE].twice = tx[me].twice;
    tx[LATE].reached = updated
}

/* COMMIT: the balances as they were worked out, the rows beside those that are there. */
inline commit(t) {
    printf("transaction %d: COMMIT\n", t);
    for (w : 0 .. WALLETS - 1) {
        if
        :: tx[t].matched[w] ->
            wallet[w].cash = tx[t].cash[w];
            wallet[w].held = tx[t].held[w];
            wallet[w].version = tx[t].version[w];
            wallet[w].booked_cash = wallet[w].booked_cash + tx[t].cash[w] - tx[t].cash_seen[w];
            wallet[w].booked_held = wallet[w].booked_held + tx[t].held[w] - tx[t].held_seen[w]
        :: else
        fi;
        MUST(NEVER_NEGATIVE, wallet[w].booked_cash >= 0 && wallet[w].booked_held >= 0);
        MUST(BALANCES_ARE_SUMS, wallet[w].cash == wallet[w].booked_cash && wallet[w].held == wallet[w].booked_held)
    }
    w = 0;
    for (r : 0 .. REFERENCES - 1) {
        if
        :: MINE(t, r) ->
            ledger[r].status = tx[t].status[r];
            ledger[r].wallet = tx[t].home[r];
            ledger[r].cash = tx[t].left[r];
            ledger[r].amount = tx[t].amount[r];
            ledger[r].moved = ledger[r].moved + (tx[t].status[r] == posted)
        :: else
        fi;
        if
        :: tx[t].closes[r] > 0 && tx[t].matched[ledger[r].wallet] ->
            ledger[r].closers = ledger[r].closers + tx[t].closes[r]
        :: else
        fi;
        MUST(MOVED_ONCE, ledger[r].moved <= 1);
        MUST(CLOSED_ONCE, ledger[r].closers <= 1)
    }
    r = 0;
    others_moved[0] = others_moved[0] || t != 0;
    others_moved[1] = others_moved[1] || t != 1;
    unlock(t)
}

/* --- answering ---------------------------------------------------------------------------- */

#define STANDS_AS(what) (ledger[NAME].status == what && ledger[NAME].cash == left[i])
#define UNDONE (ledger[NAME].status == void || ledger[NAME].closers > 0)

inline look_up_answer() {
#ifdef NEVER
    /* Says that this is never answered, to be shown that it is. */
    assert(answer[i] != NEVER);
#endif
#ifndef NO_ANSWER_AFTER_COMMIT
    MUST(ANSWER_STANDS, answer[i] != posted || STANDS_AS(posted));
    MUST(ANSWER_STANDS, answer[i] != void || STANDS_AS(void));
    MUST(ANSWER_STANDS, answer[i] != rolled_back || UNDONE);
    MUST(ANSWER_STANDS, answer[i] != already_ended || ledger[FIRST].closers > 0);
    MUST(ANSWER_STANDS, answer[i] != reference_reused || ledger[NAME].status != none);
#endif
    MUST(NAME_IS_SPENT, KIND != rollback || ledger[FIRST].status != none);
    MUST(NO_FALSE_REFUSAL, answer[i] != refused || ledger[NAME].status != posted)
}

/* All copies hear the same; only a bet that was undone meanwhile is answered `rolled_back`. */
inline compare_answers() {
    if
    :: command[c].told == none -> command[c].told = answer[i]; command[c].told_cash = left[i]
    :: else ->
        MUST(ANSWERS_ARE_EQUAL, (command[c].told == answer[i] && command[c].told_cash == left[i]) ||
             (KIND == bet && UNDONE));
        if
        :: answer[i] == rolled_back -> command[c].told = rolled_back; command[c].told_cash = 0
        :: else
        fi
    fi
}

/* Answer the batch's commands; those of a stale wallet stay, to be looked at again. */
inline answer_batch() {
    d_step {
        for (i : 0 .. 1) {
            c = batch[i];
            if
            :: c != NOBODY && !again[i] ->
                printf("worker %d answers %e %d: %e, cash %d\n", me, KIND, c, answer[i], left[i]);
                look_up_answer();
                compare_answers();
                unanswered--;
                batch[i] = NOBODY
            :: else
            fi
        }
        c = 0;
        forget_answers()
    }
}

inline forget_answers() {
    for (i : 0 .. 1) {
        answer[i] = none; left[i] = 0; on[i] = 0; again[i] = false; repeats[i] = false
    }
    i = 0
}

/* Answer 503: nothing is known. The client sends the very same request again, to either worker. */
inline answer_unknown() {
    for (i : 0 .. 1) {
        if
        :: batch[i] != NOBODY ->
            printf("worker %d answers %e %d: 503\n", me, command[batch[i]].kind, batch[i]);
            command[batch[i]].waiting++
        :: else
        fi;
        batch[i] = NOBODY
    }
    forget_answers()
}

/* --- a worker ----------------------------------------------------------------------------- */

#define SENT(c) (command[c].waiting > 0 && (command[c].after == c || command[command[c].after].told != none))
#define ANY_SENT (SENT(0) || SENT(1) || SENT(2))

inline take(place) {
    if
    :: SENT(0) -> batch[place] = 0
    :: SENT(1) -> batch[place] = 1
    :: SENT(2) -> batch[place] = 2
    fi;
    command[batch[place]].waiting--;
    printf("worker %d takes %e %d\n", me, command[batch[place]].kind, batch[place])
}

#define STALE(w) (tx[me].touched[w] && !tx[me].matched[w])
#define WRITES   (tx[me].touched[0] || tx[me].touched[1])

/* A wallet was stale: what was decided on it is decided anew. A repeat decided nothing, and may rest on a row of
 * either wallet that was not written. */
inline look_again_at_stale() {
    d_step {
        for (i : 0 .. 1) {
#ifndef NO_PLAYER_TOGETHER
            again[i] = STALE(on[i]) || (repeats[i] && (STALE(0) || STALE(1)));
#else
            again[i] = STALE(on[i]);
#endif
        }
        i = 0
    }
}

proctype Worker(byte me) {
    byte batch[2] = NOBODY;
    mtype answer[2] = none;
    byte left[2];     /* the cash that the answer tells */
    byte on[2];       /* the wallet on which it was decided */
    bool again[2];
    bool repeats[2];  /* answered by the row of the first time */
    bool violated, blind;
    byte i, c, w, r;

end_free:
    atomic {
        /* The workers are alike: it is enough to see worker 0 begin. */
        ANY_SENT && (me == 0 || begun);
        take(0);
        begun = true;
        if
        :: skip
        :: ANY_SENT -> take(1)
        fi
    }

look:
    others_moved[me] = false;
    /* Under READ COMMITTED each statement sees what is committed when it begins. */
#ifndef NO_READ_ORDER
    read_wallets();
    atomic { read_rows(); decide() }
#else
    read_rows();
    atomic { read_wallets(); decide() }
#endif

    if
    :: atomic { !WRITES -> answer_batch(); d_step { forget(me) } ; goto end_free }
    :: WRITES
    fi;

    update(me);
    atomic {
        look_again_at_stale();
        /* Each loss was somebody else's gain, so nobody loses for ever. */
        MUST(LOST_TO_SOMEBODY, !(STALE(0) || STALE(1)) || others_moved[me]);
        if
        :: !tx[me].matched[0] && !tx[me].matched[1] -> d_step { abort(me) }; answer_batch(); goto more
        :: else
        fi
    };

    if
    :: atomic {
            /* The deadline comes while INSERT and COMMIT are under way: 503, and a new connection. */
            faults > 0 && tx[LATE].reached == idle ->
            faults--;
            d_step { hand_over(); forget(me); answer_unknown(); blind = false };
            goto end_free
        }
    :: atomic {
            !WAITS(me, 1 - me) && !WAITS(me, LATE) -> violates(me);
            if
            :: violated ->
                violated = false;
                MUST(LOST_TO_SOMEBODY, others_moved[me]);
                d_step { abort(me); forget_answers() };
                goto look
            :: else -> tx[me].reached = inserted
            fi
        }
    fi;

#ifdef NO_ANSWER_AFTER_COMMIT
    answer_batch();
#endif
    if
    :: atomic { d_step { commit(me); forget(me) }; blind = false; answer_batch() }
    :: atomic { faults > 0 -> faults--; d_step { commit(me); forget(me) }; goto doubt }   /* the reply is lost */
    :: atomic { faults > 0 -> faults--; d_step { abort(me) }; goto doubt }                /* cut before COMMIT */
    fi;
more:
    if
    :: batch[0] != NOBODY || batch[1] != NOBODY -> goto look
    :: else -> goto end_free
    fi;

doubt:
    /* The worker got no answer to COMMIT, and cannot tell the two apart. */
#ifdef NO_DOUBT
    answer_batch();
#endif
    if
    :: atomic { batch[0] == NOBODY && batch[1] == NOBODY -> goto end_free }
    :: atomic { batch[0] != NOBODY || batch[1] != NOBODY ->
            d_step { forget_answers() };
#ifdef NO_LOOKING_AGAIN
            blind = true;
#endif
            goto look
        }
    :: atomic { batch[0] != NOBODY || batch[1] != NOBODY -> d_step { answer_unknown() }; goto end_free }
    fi
}

/* --- a transaction whose worker did not wait ---------------------------------------------- */

proctype Late() {
    bool violated;
    byte w, r;
end_nothing:
    tx[LATE].reached == updated;
    if
    :: atomic {
            !WAITS(LATE, 0) && !WAITS(LATE, 1) -> violates(LATE);
            if
            :: violated -> violated = false; d_step { abort(LATE) }; goto end_nothing
            :: else -> tx[LATE].reached = inserted
            fi
        }
    :: atomic { d_step { abort(LATE) }; goto end_nothing }
    fi;
    if
    :: d_step { commit(LATE); forget(LATE) }
    :: d_step { abort(LATE) }
    fi;
    goto end_nothing
}

/* --- the stories -------------------------------------------------------------------------- */

#define ANY 99
byte ends_with[WALLETS] = ANY;   /* the cash that must be left when every copy is answered */

/* A command of the story, sent in so many copies; its reference has the command's number. */
inline send(number, kind_, wallet_, amount_, copies) {
    printf("%d times: %e %d of %d on wallet %d\n", copies, kind_, number, amount_, wallet_);
    command[number].kind = kind_;
    command[number].wallet = wallet_;
    command[number].amount = amount_;
    command[number].reference = number;
    command[number].after = number;
    command[number].waiting = copies;
    command[number].told = none;
    unanswered = unanswered + copies
}

inline begin_with(wallet_, cash_) {
    wallet[wallet_].cash = cash_;
    wallet[wallet_].booked_cash = cash_
}

/* Two bets want the same money. */
inline two_bets() {
    begin_with(0, 1);
    send(0, bet, 0, 1, 2);
    send(1, bet, 0, 1, 2);
    ends_with[0] = 0
}

/* A bet is refused for want of money, then a deposit comes, then a copy of the bet that was on its way. */
inline a_refused_bet() {
    begin_with(0, 1);
    send(0, bet, 0, 2, 2);
    send(1, deposit, 0, 1, 1)
}

/* A bet and its rollback, in any order. */
inline a_bet_undone() {
    begin_with(0, 1);
    send(0, bet, 0, 1, 2);
    send(1, rollback, 0, 0, 2);
    command[1].original = 0;
    ends_with[0] = 1
}

/* The rollback names no currency; the bet is on the player's other wallet. */
inline a_bet_undone_elsewhere() {
    begin_with(1, 1);
    send(0, bet, 1, 1, 2);
    send(1, rollback, 0, 0, 1);
    command[1].original = 0;
    send(2, deposit, 0, 1, 1);
    ends_with[0] = 1;
    ends_with[1] = 1
}

/* A provider sends one reference for two wallets. */
inline one_name_for_two_bets() {
    begin_with(0, 1);
    begin_with(1, 1);
    send(0, bet, 0, 1, 2);
    send(1, bet, 1, 1, 2);
    command[1].reference = 0
}

/* A withdrawal is settled when its hold was answered; a release may come at any time, even before the hold. */
inline a_withdrawal() {
    begin_with(0, 1);
    send(0, hold, 0, 1, 2);
    send(1, settle, 0, 0, 1);
    command[1].original = 0;
    command[1].after = 0;
    send(2, release, 0, 0, 1);
    command[2].original = 0
}

/* A win is taken back; the player has just its money. */
inline a_win_taken_back() {
    begin_with(0, 1);
    ledger[WON].status = posted;
    ledger[WON].amount = 1;
    ledger[WON].cash = 1;
    send(0, take_back, 0, 0, 2);
    command[0].original = WON;
    ends_with[0] = 0
}

init {
    byte c;
    atomic {
        if
        :: two_bets()
        :: a_refused_bet()
        :: a_bet_undone()
        :: a_bet_undone_elsewhere()
        :: one_name_for_two_bets()
        :: a_withdrawal()
        :: a_win_taken_back()
        fi;
        run Worker(0);
        run Worker(1);
        run Late()
    }
    /* Every copy is answered in the end, whatever happens: Spin calls it an error to be stuck here. */
    d_step {
        unanswered == 0 && tx[0].reached == idle && tx[1].reached == idle && tx[LATE].reached == idle;
        MUST(ENDS_AS_IT_SHOULD, ends_with[0] == ANY || (wallet[0].cash == ends_with[0] && wallet[0].held == 0));
        MUST(ENDS_AS_IT_SHOULD, ends_with[1] == ANY || (wallet[1].cash == ends_with[1] && wallet[1].held == 0));
        for (c : 0 .. COMMANDS - 1) {
            MUST(ANSWER_STANDS, command[c].told != posted || ledger[NAME].status == posted);
            MUST(ANSWER_STANDS, command[c].told != void || ledger[NAME].status == void);
            MUST(HOLD_IS_ENDED, KIND != hold || (wallet[0].held == 0 && ledger[NAME].closers == 1))
        }
    }
}
